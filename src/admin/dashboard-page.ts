/** The dashboard: one page without a build step, drawn from `/api/status`. */
export const dashboardPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chordial</title>
<style>
  :root { color-scheme: light dark; --line: #8886; --accent: #2a7de1; --warn: #c2410c; }
  body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1080px; padding: 1rem; }
  h1 { font-size: 1.3rem; margin: 0 0 .2rem; } h2 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
  .row { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
  svg { width: 340px; height: 340px; } code { font-size: .85em; }
  table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); font-weight: normal; }
  th { opacity: .65; } .bad { color: var(--warn); } .grow { flex: 1; min-width: 320px; }
</style>
</head>
<body>
<h1 id="title">Chordial</h1><div id="summary"></div>
<div class="row"><div><h2>Ring</h2><svg id="ring" viewBox="-170 -170 340 340" role="img" aria-label="The ring as this box sees it"></svg></div>
<div class="grow"><h2>Registrations</h2><table id="registrations"></table><h2>Links</h2><table id="links"></table><h2>Banned</h2><table id="bans"></table></div></div>
<script>
const hostPort = (r) => (r.address.includes(':') ? '[' + r.address + ']' : r.address) + ':' + r.port;
const text = (v) => v === undefined || v === null ? '' : String(v);
function table(id, head, rows, none) {
  const t = document.getElementById(id); t.replaceChildren();
  if (rows.length === 0) { t.insertRow().insertCell().textContent = none; return; }
  const h = t.insertRow(); for (const name of head) { const c = document.createElement('th'); c.textContent = name; h.append(c); }
  for (const row of rows) { const r = t.insertRow(); for (const cell of row) r.insertCell().textContent = text(cell); }
}
function draw(ring, self) {
  const svg = document.getElementById('ring'); svg.replaceChildren();
  const make = (name, attributes, parent = svg) => { const e = document.createElementNS('http://www.w3.org/2000/svg', name); for (const k in attributes) e.setAttribute(k, attributes[k]); parent.append(e); return e; };
  make('circle', { r: 120, fill: 'none', stroke: 'var(--line)' });
  const at = (id) => { const a = parseInt(id.slice(0, 8), 16) / 0x100000000 * 2 * Math.PI; return [120 * Math.sin(a), -120 * Math.cos(a)]; };
  const linked = new Set((ring.links || []).map((l) => l.nodeId));
  const all = new Set([self, ...ring.predecessors, ...ring.successors, ...ring.fingers, ...linked]);
  const [sx, sy] = at(self);
  for (const id of linked) { const [x, y] = at(id); make('line', { x1: sx, y1: sy, x2: x, y2: y, stroke: ring.successors[0] === id || ring.predecessors[0] === id ? 'var(--accent)' : 'var(--line)' }); }
  for (const id of all) { const [x, y] = at(id); const dot = make('circle', { cx: x, cy: y, r: id === self ? 8 : 5, fill: id === self ? 'var(--accent)' : linked.has(id) ? 'currentColor' : 'var(--line)' }); make('title', {}, dot).textContent = id;
    const label = make('text', { x: x * 1.2, y: y * 1.2 + 4, 'text-anchor': 'middle', 'font-size': 10, fill: 'currentColor' }); label.textContent = id.slice(0, 6); }
}
async function refresh() {
  try {
    const s = await (await fetch('/api/status')).json();
    document.getElementById('title').textContent = 'Chordial · ' + s.domain;
    document.getElementById('summary').textContent = (s.health === 'ok' ? 'healthy' : s.health) + ' · up ' + Math.round(s.uptimeS) + ' s' + (s.nodeId ? ' · node ' + s.nodeId : '') + (s.ring ? ' · ring: ' + s.ring.state : ' · no adapter on this box') + (s.sip === undefined ? '' : ' · phones: ' + s.sip.bindings + ' · ringing: ' + s.sip.callsRinging) + (s.authority === undefined || s.authority.connected ? '' : ' · the authority is away');
    if (s.ring) { draw(s.ring, s.nodeId);
      table('links', ['node', 'address', 'round trip', 'state'], s.ring.links.map((l) => [l.nodeId.slice(0, 12), hostPort(l.remote), l.rttMs === undefined ? '' : l.rttMs.toFixed(1) + ' ms', l.suspect ? 'suspect' : 'up']), 'none: a ring of one'); }
    table('registrations', ['address of record', 'phones', 'overlay'], (s.registrations || []).map((r) => [r.aor, r.bindings, r.overlay]), 'no phone has registered here yet');
    const why = { logins: 'wrong passwords', user: 'is guessed at', flood: 'too many requests' };
    table('bans', ['source', 'why', 'count', 'until'], ((s.sip || {}).bans || []).map((b) => [b.source, why[b.kind], b.count, new Date(b.untilMs).toLocaleTimeString()]), 'nobody');
  } catch (error) { document.getElementById('summary').textContent = 'no answer from this box: ' + error; }
}
refresh(); setInterval(refresh, 2000);
</script>
</body>
</html>
`;
