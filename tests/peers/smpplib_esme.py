"""python smpplib as an ESME: smpplib_esme.py PORT COUNT. Prints what it saw as one line of JSON."""
import json
import sys
import time

import smpplib.client
import smpplib.consts as consts
import smpplib.exceptions
import smpplib.gsm

PORT, COUNT = int(sys.argv[1]), int(sys.argv[2])
seen = {"statuses": {}, "ids": [], "receipts": {}, "refused": [], "query": None, "cancel": None}


def client():
    one = smpplib.client.Client("127.0.0.1", PORT, timeout=5)
    one.set_message_sent_handler(lambda pdu: seen["ids"].append(pdu.message_id.decode()))
    one.set_message_received_handler(received)
    one.set_query_resp_handler(lambda pdu: seen.update(query=pdu.message_state))
    one.set_error_pdu_handler(refused)
    one.connect()
    return one


def refused(pdu):
    seen["statuses"][str(pdu.status)] = seen["statuses"].get(str(pdu.status), 0) + 1


def received(pdu):
    if pdu.esm_class & 0x04:
        text = pdu.short_message.decode()
        state = text.split("stat:")[1].split(" ")[0]
        seen["receipts"][pdu.receipted_message_id.decode()] = state
    return 0


def submit(one, number, text, **more):
    parts, coding, esm_class = smpplib.gsm.make_parts(text)
    for part in parts:
        one.send_message(
            source_addr_ton=consts.SMPP_TON_ALNUM, source_addr_npi=consts.SMPP_NPI_UNK, source_addr="Hayauma",
            dest_addr_ton=consts.SMPP_TON_INTL, dest_addr_npi=consts.SMPP_NPI_ISDN,
            destination_addr="8190%08d" % number, short_message=part, data_coding=coding, esm_class=esm_class,
            registered_delivery=True, **more)
    return len(parts)


def read_until(one, done):
    deadline = time.monotonic() + 20
    while not done() and time.monotonic() < deadline:
        try:
            one.read_once(ignore_error_codes=None, auto_send_enquire_link=False)
        except smpplib.exceptions.PDUError as error:
            refused_status = error.args[1] if len(error.args) > 1 else 0
            seen["refused"].append(refused_status)
            return


# A wrong password and an unknown name.
for name, word in [("peer", "wrong"), ("nobody", "secret")]:
    one = client()
    try:
        one.bind_transceiver(system_id=name, password=word)
    except smpplib.exceptions.PDUError as error:
        seen["refused"].append(error.args[1])
    one.disconnect()

# A transceiver: every kind of text, then many plain ones.
one = client()
one.bind_transceiver(system_id="peer", password="secret")
sent = submit(one, 1, "Hello @ {euro \u20ac}")
sent += submit(one, 2, "\u65e9\u99ac \u7dca\u6025\u5730\u9707\u901f\u5831")
sent += submit(one, 3, "a long text " * 20)
sent += submit(one, 4, "\u9577\u3044\u6587\u7ae0" * 40)
for number in range(COUNT):
    sent += submit(one, 100 + number, "plain %d" % number)
read_until(one, lambda: len(seen["ids"]) >= sent and len(seen["receipts"]) >= sent)
one.query_message(message_id=seen["ids"][0], source_addr_ton=5, source_addr_npi=0, source_addr="Hayauma")
read_until(one, lambda: seen["query"] is not None)
one.unbind()
one.disconnect()

# A transmitter, whose receipts come to a receiver.
receiver, transmitter = client(), client()
receiver.bind_receiver(system_id="peer", password="secret")
transmitter.bind_transmitter(system_id="peer", password="secret")
before = len(seen["receipts"])
count = submit(transmitter, 7, "by a transmitter")
read_until(transmitter, lambda: len(seen["ids"]) >= sent + count)
read_until(receiver, lambda: len(seen["receipts"]) >= before + count)
for each in (transmitter, receiver):
    each.unbind()
    each.disconnect()
seen["sent"] = sent + count
print(json.dumps(seen))
