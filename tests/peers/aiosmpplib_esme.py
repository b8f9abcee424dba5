"""aiosmpplib as an ESME: aiosmpplib_esme.py PORT COUNT. Prints what it saw as one line of JSON."""
import asyncio
import json
import sys

from aiosmpplib import ESME, DeliverSm, PhoneNumber, SubmitSm, SubmitSmResp
from aiosmpplib.hook import AbstractHook
from aiosmpplib.log import ERROR
from aiosmpplib.state import NPI, TON

PORT, COUNT = int(sys.argv[1]), int(sys.argv[2])
seen = {"ids": [], "statuses": {}, "receipts": {}, "errors": []}


class Hook(AbstractHook):
    async def sending(self, smpp_message, pdu, client_id):
        pass

    async def received(self, smpp_message, pdu, client_id):
        if isinstance(smpp_message, SubmitSmResp):
            seen["ids"].append(smpp_message.message_id)
        elif isinstance(smpp_message, DeliverSm) and smpp_message.is_receipt():
            receipt = smpp_message.parse_receipt()
            seen["receipts"][receipt["id"]] = receipt["stat"]

    async def send_error(self, smpp_message, error, client_id):
        seen["errors"].append(str(error))


async def main():
    esme = ESME(smsc_host="127.0.0.1", smsc_port=PORT, system_id="peer", password="secret", hook=Hook(),
                log_level=ERROR)
    texts = ["Hello @ \u20ac", "\u65e9\u99ac \u7dca\u6025"] + ["plain %d" % number for number in range(COUNT)]
    for number, text in enumerate(texts):
        await esme.broker.enqueue(SubmitSm(
            short_message=text, source=PhoneNumber("Hayauma", TON.ALPHANUMERIC, NPI.UNKNOWN),
            destination=PhoneNumber("8190%08d" % number, TON.INTERNATIONAL, NPI.ISDN),
            log_id="push-%d" % number, registered_delivery=0b00000001))
    running = asyncio.create_task(esme.start())
    for _ in range(200):
        await asyncio.sleep(0.1)
        if len(seen["receipts"]) >= len(texts):
            break
    await esme.stop()
    running.cancel()
    seen["sent"] = len(texts)
    print(json.dumps(seen))


asyncio.run(main())
