"""smpp34 as an SMSC: smpp34_smsc.py PORT [throttle every Nth]. Runs until its input ends."""
import asyncio
import sys

import smpp34

PORT = int(sys.argv[1])
EVERY = int(sys.argv[2]) if len(sys.argv) > 2 else 0


async def main():
    server = smpp34.Server(host="127.0.0.1", port=PORT, system_id="smpp34")
    await server.start()
    print("listening", PORT, flush=True)
    sessions = {}

    async def receipt(event, number):
        text = "id:%d sub:001 dlvrd:001 submit date:2611281950 done date:2611281950 stat:DELIVRD err:000 text:"
        await sessions[event.session_id].deliver_sm(
            source_addr=event.destination_addr, destination_addr=event.source_addr, esm_class=4,
            short_message=(text % number).encode())

    async def serve():
        count, under_way = 0, set()
        while True:
            event = await server.next()
            if isinstance(event, smpp34.Esme):
                sessions[event.session_id] = event
            elif isinstance(event, smpp34.SubmitSmEvent):
                count += 1
                if EVERY and count % EVERY == 0:
                    event.reject(smpp34.ESME_RTHROTTLED)
                    continue
                event.accept(message_id=str(1000 + count))
                task = asyncio.create_task(receipt(event, 1000 + count))
                under_way.add(task)
                task.add_done_callback(under_way.discard)

    serving = asyncio.create_task(serve())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    serving.cancel()
    await server.stop()


asyncio.run(main())
