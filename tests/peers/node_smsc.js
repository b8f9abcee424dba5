// node smpp as an SMSC: node_smsc.js [key=value...]. Says its port, runs until its input ends.
// throttle=N: every Nth submit is answered 58. hex=1: ids hexadecimal in answers, decimal in receipts. early=1: the receipt
// comes before the answer. silent=N: every Nth submit is never answered. notlv=1: receipts have only their text. drop=N: the
// connection is cut instead of the Nth answer, once. enquire=MS: it probes so often. other=1: receipts go to another session.
// A receipt that was under way on a connection that ends is sent again on another one, as an SMSC does that loses none.
const smpp = require('smpp');
const options = Object.fromEntries(process.argv.slice(2).map((word) => word.split('=')));
const every = (name, count) => Number(options[name] || 0) > 0 && count % Number(options[name]) === 0;
const receivers = [];
const homeless = [];
let submits = 0;
const deliver = (fields, to) => {
  if (!to) { homeless.push(fields); return; }
  to.underWay.add(fields);
  to.deliver_sm({ ...fields }, () => to.underWay.delete(fields));
};
const receipt = (session, pdu, id) => {
  const to = options.other && receivers.length > 1 ? receivers.find((one) => one !== session) : receivers[0];
  const now = new Date().toISOString().replace(/[-:T]/g, '').slice(2, 12);
  deliver({
    source_addr: pdu.destination_addr, source_addr_ton: pdu.dest_addr_ton, source_addr_npi: pdu.dest_addr_npi,
    destination_addr: pdu.source_addr, dest_addr_ton: pdu.source_addr_ton, esm_class: 4,
    short_message: `id:${id} sub:001 dlvrd:001 submit date:${now} done date:${now} stat:DELIVRD err:000 text:`,
    ...(options.notlv ? {} : { receipted_message_id: id, message_state: 2,
      user_message_reference: pdu.user_message_reference }) }, to);
};
const server = smpp.createServer(options.enquire ? { auto_enquire_link_period: Number(options.enquire) } : {}, (session) => {
  session.on('error', () => {});
  session.underWay = new Set();
  session.on('close', () => {
    if (receivers.includes(session)) receivers.splice(receivers.indexOf(session), 1);
    const left = [...session.underWay];
    session.underWay.clear();
    left.forEach((fields) => deliver(fields, receivers[0]));
  });
  session.on('bind_transceiver', (pdu) => {
    const right = pdu.system_id === 'load' && pdu.password === 'secret';
    session.send(pdu.response(right ? { system_id: 'node' } : { command_status: smpp.ESME_RINVPASWD }));
    if (right) { receivers.push(session); homeless.splice(0).forEach((fields) => deliver(fields, session)); }
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('submit_sm', (pdu) => {
    submits += 1;
    if (every('silent', submits)) return;
    if (Number(options.drop) === submits) { session.socket.destroy(); return; }
    if (every('throttle', submits)) { session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED })); return; }
    const number = 40000 + submits;
    const id = options.hex ? number.toString(16).toUpperCase().padStart(8, '0') : String(number).padStart(10, '0');
    const told = options.hex ? String(number) : id;
    if (options.early) receipt(session, pdu, told);
    session.send(pdu.response({ message_id: id }));
    if (!options.early) setTimeout(() => receipt(session, pdu, told), 5);
  });
});
server.listen(0, '127.0.0.1', () => console.log('listening', server.address().port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
