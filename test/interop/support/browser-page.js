/** Runs in the page: JsSIP phones by name, answering by themselves. */
import JsSIP from 'jssip';

const phones = new Map();
const media = { mediaConstraints: { audio: true, video: false } };

function within(milliseconds, failure, start) {
  return new Promise((resolve) => {
    setTimeout(() => resolve(failure), milliseconds);
    start(resolve);
  });
}

function follow(phone, session) {
  phone.session = session;
  phone.digits = '';
  session.on('newDTMF', ({ originator, dtmf }) => {
    if (originator === 'remote') phone.digits += dtmf.tone;
  });
  phone.ended = new Promise((resolve) => {
    session.on('ended', ({ cause }) => resolve(cause));
    session.on('failed', ({ cause }) => resolve(cause));
  });
}

globalThis.phones = {
  register(name, { url, user, password, domain }) {
    const ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(url)],
      uri: `sip:${user}@${domain}`,
      password,
      register: true,
      register_expires: 60,
      session_timers: false,
    });
    const phone = { ua, messages: [], session: undefined };
    phone.incoming = new Promise((resolve) => {
      ua.on('newRTCSession', ({ session, originator }) => {
        follow(phone, session);
        if (originator !== 'remote') return;
        session.on('confirmed', () => resolve(session.remote_identity.uri.toString()));
        setTimeout(() => session.answer(media), 200);
      });
    });
    ua.on('newMessage', ({ originator, request }) => {
      if (originator === 'remote') phone.messages.push(request.body);
    });
    phones.set(name, phone);
    return within(10_000, 0, (done) => {
      ua.on('registered', () => done(200));
      ua.on('registrationFailed', ({ response }) => done(response?.status_code ?? 0));
      ua.start();
    });
  },
  unregister(name) {
    const { ua } = phones.get(name);
    return within(5000, false, (done) => {
      ua.on('unregistered', () => done(true));
      ua.unregister();
    });
  },
  call(name, target) {
    const { ua } = phones.get(name);
    return within(20_000, 'no answer', (done) => {
      ua.call(target, {
        ...media,
        eventHandlers: {
          confirmed: () => done('established'),
          failed: ({ cause }) => done(cause),
        },
      });
    });
  },
  incoming: (name) => phones.get(name).incoming,
  async rtp(name) {
    const statistics = await phones.get(name).session.connection.getStats();
    let received = 0;
    let sent = 0;
    statistics.forEach((entry) => {
      if (entry.type === 'inbound-rtp') received += entry.packetsReceived;
      if (entry.type === 'outbound-rtp') sent += entry.packetsSent;
    });
    return { received, sent };
  },
  ended: (name) => phones.get(name).ended,
  hangUp: (name) => phones.get(name).session.terminate(),
  sendDigits(name, digits) {
    const { session } = phones.get(name);
    return within(5000, false, (done) => {
      let open = digits.length;
      session.on('newDTMF', ({ originator, dtmf }) => {
        if (originator === 'local') dtmf.on('succeeded', () => --open === 0 && done(true));
      });
      session.sendDTMF(digits);
    });
  },
  digits: (name) => phones.get(name).digits,
  message(name, target, text) {
    return within(5000, false, (done) => {
      phones.get(name).ua.sendMessage(target, text, {
        eventHandlers: { succeeded: () => done(true), failed: () => done(false) },
      });
    });
  },
  messages: (name) => phones.get(name).messages,
};
