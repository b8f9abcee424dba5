"""smpp.twisted3 as an SMSC: twisted_smsc.py. Says its port, runs until its input ends; it sends no receipts."""
import os
import sys

from smpp.pdu.pdu_types import CommandStatus
from smpp.twisted.config import SMPPServerConfig
from smpp.twisted.protocol import DataHandlerResponse
from smpp.twisted.server import IAuthenticatedSMPP, SMPPServerFactory
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor, stdio
from twisted.internet.protocol import Protocol
from zope.interface import implementer

count = 0


def take(system_id, session, pdu):
    global count
    count += 1
    return DataHandlerResponse(CommandStatus.ESME_ROK, message_id=str(count).encode())


@implementer(IRealm)
class Realm:
    def requestAvatar(self, name, mind, *interfaces):
        return IAuthenticatedSMPP, name, lambda: None


class Input(Protocol):
    def connectionLost(self, reason):
        reactor.stop()


accounts = InMemoryUsernamePasswordDatabaseDontUse()
for name, word in [("load", "secret"), (b"load", b"secret")]:
    accounts.addUser(name, word)
config = SMPPServerConfig(msgHandler=take, systems={"load": {"max_bindings": 4}})
factory = SMPPServerFactory(config, auth_portal=Portal(Realm(), [accounts]))
port = reactor.listenTCP(0, factory, interface="127.0.0.1")
print("listening", port.getHost().port, flush=True)
# Its codec prints a letter for every time that it reads.
sys.stdout = open(os.devnull, "w")
stdio.StandardIO(Input())
reactor.run()
