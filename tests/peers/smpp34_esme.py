"""smpp34 as an ESME: smpp34_esme.py PORT COUNT. Prints what it saw as one line of JSON."""
import asyncio
import json
import sys

import smpp34

PORT, COUNT = int(sys.argv[1]), int(sys.argv[2])
seen = {"answers": 0, "receipts": 0}


async def main():
    client = smpp34.Client(host="127.0.0.1", port=PORT, system_id="peer", password="secret", bind_type="TRX")
    session = await client.connect()

    async def receive():
        while True:
            event = await session.next()
            if not isinstance(event, smpp34.DeliverSmEvent):
                return
            seen["receipts"] += 1

    receiving = asyncio.create_task(receive())

    async def submit(number):
        answer = await session.submit_sm(
            destination_addr="8190%08d" % number, source_addr="Hayauma", short_message=b"push %d" % number,
            registered_delivery=1)
        seen["answers"] += answer.is_success

    await asyncio.gather(*[submit(number) for number in range(COUNT)])
    for _ in range(200):
        if seen["receipts"] >= COUNT:
            break
        await asyncio.sleep(0.1)
    await session.unbind()
    receiving.cancel()
    seen["sent"] = COUNT
    print(json.dumps(seen))


asyncio.run(main())
