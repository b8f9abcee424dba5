// node smpp as an ESME: node_esme.js PORT COUNT. Prints what it saw as one line of JSON.
const smpp = require('smpp');
const [port, count] = process.argv.slice(2).map(Number);
const seen = { ids: [], statuses: {}, receipts: {}, refused: [], query: null, cancel: null, sent: 0 };
const open = () => new Promise((done) => {
  const session = smpp.connect({ url: `smpp://127.0.0.1:${port}` }, () => done(session));
  session.on('error', () => {});
});
const ask = (session, command, fields) => new Promise((done) => session[command](fields, done));
const until = async (done) => {
  for (let turn = 0; turn < 400 && !done(); turn++) await new Promise((later) => setTimeout(later, 50));
};
const hear = (session) => session.on('deliver_sm', (pdu) => {
  seen.receipts[pdu.receipted_message_id] = pdu.message_state;
  session.send(pdu.response());
});
const submit = async (session, number, fields) => {
  seen.sent++;
  const answer = await ask(session, 'submit_sm', {
    source_addr_ton: 5, source_addr: 'Hayauma', dest_addr_ton: 1, dest_addr_npi: 1,
    destination_addr: '8190' + String(number).padStart(8, '0'), registered_delivery: 1, ...fields });
  if (answer.command_status) {
    seen.statuses[answer.command_status] = (seen.statuses[answer.command_status] || 0) + 1;
  } else seen.ids.push(answer.message_id);
};
const main = async () => {
  for (const [system_id, password] of [['peer', 'wrong'], ['nobody', 'secret']]) {
    const session = await open();
    seen.refused.push((await ask(session, 'bind_transceiver', { system_id, password })).command_status);
    session.destroy();
  }
  const session = await open();
  // Some clients probe before they bind.
  await ask(session, 'enquire_link', {});
  await ask(session, 'bind_transceiver', { system_id: 'peer', password: 'secret' });
  hear(session);
  await submit(session, 1, { short_message: 'Hello @ {\u20ac}' });
  await submit(session, 2, { short_message: '\u65e9\u99ac \u7dca\u6025' });
  for (const part of [1, 2]) {
    await submit(session, 3, { esm_class: 0x40,
      short_message: { udh: Buffer.from([5, 0, 3, 77, 2, part]), message: 'part ' + part } });
  }
  await submit(session, 4, { short_message: '', message_payload: '\u9577\u3044\u6587\u7ae0'.repeat(50) });
  await submit(session, 5, { data_coding: 4, short_message: Buffer.from([0, 1, 2, 255]) });
  await submit(session, 6, { short_message: 'sar', sar_msg_ref_num: 9, sar_total_segments: 2, sar_segment_seqnum: 1 });
  await Promise.all([...Array(count).keys()].map((at) => submit(session, 100 + at, { short_message: 'plain ' + at })));
  await until(() => Object.keys(seen.receipts).length >= seen.sent);
  seen.query = (await ask(session, 'query_sm', { message_id: seen.ids[0] })).message_state;
  seen.cancel = (await ask(session, 'cancel_sm', { message_id: seen.ids[0] })).command_status;
  seen.replace = (await ask(session, 'replace_sm', { message_id: seen.ids[0], short_message: 'no' })).command_status;
  seen.multi = (await ask(session, 'submit_multi', { dest_address: [], short_message: 'no' })).command_status;
  await ask(session, 'unbind', {});
  session.close();
  console.log(JSON.stringify(seen));
  process.exit(0);
};
main();
