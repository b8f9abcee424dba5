"""smpp.twisted3, the stack of Jasmin, as an ESME: twisted_esme.py PORT COUNT. Prints one line of JSON."""
import json
import sys

from smpp.pdu.operations import SubmitSM
from smpp.pdu.pdu_types import (AddrNpi, AddrTon, DataCoding, DataCodingDefault, RegisteredDelivery,
                                RegisteredDeliveryReceipt)
from smpp.twisted.client import SMPPClientTransceiver
from smpp.twisted.config import SMPPClientConfig
from twisted.internet import defer, reactor

PORT, COUNT = int(sys.argv[1]), int(sys.argv[2])
seen = {"ids": [], "receipts": {}, "refused": [], "errors": []}


def received(session, pdu):
    state = pdu.params.get("message_state")
    seen["receipts"][pdu.params["receipted_message_id"].decode()] = getattr(state, "name", str(state))


def config(password):
    return SMPPClientConfig(host="127.0.0.1", port=PORT, username="peer", password=password,
                            enquireLinkTimerSecs=1)


def message(number, text, coding):
    return SubmitSM(
        source_addr_ton=AddrTon.ALPHANUMERIC, source_addr="Hayauma", dest_addr_ton=AddrTon.INTERNATIONAL,
        dest_addr_npi=AddrNpi.ISDN, destination_addr="8190%08d" % number, short_message=text,
        data_coding=DataCoding(schemeData=coding),
        registered_delivery=RegisteredDelivery(RegisteredDeliveryReceipt.SMSC_DELIVERY_RECEIPT_REQUESTED))


@defer.inlineCallbacks
def main():
    try:
        try:
            yield SMPPClientTransceiver(config("wrong"), received).connectAndBind()
        except Exception as error:
            seen["refused"].append(type(error).__name__)
        session = yield SMPPClientTransceiver(config("secret"), received).connectAndBind()
        messages = [message(0, "\u65e9\u99ac".encode("utf-16-be"), DataCodingDefault.UCS2)]
        messages += [message(number, b"hello", DataCodingDefault.SMSC_DEFAULT_ALPHABET)
                     for number in range(1, COUNT)]
        for one in messages:
            answer = yield session.sendDataRequest(one)
            seen["ids"].append(answer.response.params["message_id"].decode())
        for _ in range(200):
            if len(seen["receipts"]) >= COUNT:
                break
            later = defer.Deferred()
            reactor.callLater(0.1, later.callback, None)
            yield later
        yield session.unbindAndDisconnect()
    except Exception as error:
        seen["errors"].append("%s %s" % (type(error).__name__, error))
    seen["sent"] = COUNT
    print(json.dumps(seen))
    reactor.stop()


reactor.callWhenRunning(main)
reactor.run()
