/**
 * Plays a readable script on a simulated ring and says what is to be seen: who joins, who stands
 * between whom, who answers. A script is a list of commands, each followed by `----` and what it
 * showed. Peers are called A, B, C … in the order of their Node-IDs.
 */
import { createXml } from '../../src/node/xml.ts';
import { partition, crash } from '../../src/sim/faults.ts';
import type { StoredRecord } from '../../src/sim/records.ts';
import { createSimulatedRing, type RingOptions, type SimulatedRing } from '../../src/sim/ring.ts';
import type { SimulatedPeer } from '../../src/sim/peer.ts';
import { createWorld } from '../../src/sim/world.ts';

export interface Step {
  readonly command: string;
  readonly shown: string;
}

const mostPeers = 12;
/** Elements of a document that scripts change, and their names here. */
const settings: Readonly<Record<string, 'maxMessageSize' | 'initialTtl'>> = {
  'max-message-size': 'maxMessageSize',
  'initial-ttl': 'initialTtl',
};

export function readScript(text: string): Step[] {
  return text
    .split(/\n{2,}/)
    .map((block) => block.trim())
    .filter((block) => block !== '' && !block.startsWith('#'))
    .map((block) => {
      const [command = '', shown = ''] = block.split('\n----');
      return { command: command.trim(), shown: shown.trim() };
    });
}

export function writeScript(heading: string, steps: readonly Step[]): string {
  const blocks = steps.map(({ command, shown }) => `${command}\n----\n${shown}`.trimEnd());
  return `${[heading, ...blocks].join('\n\n')}\n`;
}

/** Plays the commands one after the other and returns what each of them showed. */
export function play(
  seed: string,
  commands: readonly string[],
  options: Partial<RingOptions> = {},
): Step[] {
  const ring = createSimulatedRing(createWorld(seed), {
    peers: mostPeers,
    latency: { minimumMs: 1, maximumMs: 5 },
    xml: createXml(),
    ...options,
  });
  const order = ring.peers.map(({ nodeId }) => nodeId).sort();
  const name = (id: string | undefined): string =>
    id === undefined ? 'nobody' : String.fromCharCode(65 + order.indexOf(id as never));
  const named = (letter: string | undefined): SimulatedPeer => {
    const peer = ring.peers.find(({ nodeId }) => name(nodeId) === letter);
    if (peer === undefined) throw new Error(`no peer ${letter ?? ''}`);
    return peer;
  };
  const records = new Map<string, StoredRecord>();
  const places = new Map<string, string>();

  function place(peer: SimulatedPeer): string {
    const { host } = peer;
    if (host.run === 0) return 'not started';
    if (host.state === 'dead') return 'dead';
    const { state, predecessors, successors } = peer.overlay.snapshot().topology;
    if (state !== 'joined') return state;
    return `joined between ${name(predecessors[0])} and ${name(successors[0])}`;
  }

  /** Lets time pass and tells where the peers stand then, those whose place has changed. */
  function watch(forMs: number, lines: string[]): void {
    ring.world.run(forMs);
    for (const id of order) {
      const now = place(named(name(id)));
      if ((places.get(id) ?? 'not started') === now) continue;
      places.set(id, now);
      lines.push(`${name(id)} ${now}`);
    }
  }

  function perform(command: string): string {
    const [verb = '', ...words] = command.split(' ');
    const lines: string[] = [];
    act(ring, verb, words, lines);
    return lines.join('\n');
  }

  /** Gives a peer a new document, as its account feed would. */
  function offer(
    to: SimulatedPeer,
    changes: Parameters<SimulatedRing['configuration']['next']>[0],
    lines: string[],
  ): void {
    to.keeper?.offer(ring.configuration.next(changes), (outcome) => {
      lines.push(outcome.ok ? 'accepted' : outcome.error.text);
    });
  }

  function act(on: SimulatedRing, verb: string, words: string[], lines: string[]): void {
    const [first = ''] = words;
    switch (verb) {
      case 'start': {
        const running = on.living();
        const doors = running.map((peer) => peer.address);
        for (const letter of words) named(letter).start(doors.length === 0 ? 'first' : doors);
        watch(5000, lines);
        return;
      }
      case 'leave':
        named(first).overlay.stop(() => lines.push(`${first} has left`));
        watch(5000, lines);
        return;
      case 'crash':
        crash(on, named(first), { silently: words[1] === 'silently' });
        watch(60_000, lines);
        return;
      case 'cut': {
        const aside = new Set(words.map((letter) => named(letter).host.index));
        partition(on, (index) => (aside.has(index) ? 1 : 0), 120_000);
        watch(119_000, lines);
        return;
      }
      case 'heal':
        watch(180_000, lines);
        return;
      case 'store':
        on.records.store((record, outcome) => {
          records.set(first, record);
          lines.push(
            outcome.ok
              ? `at ${name(outcome.value.storedBy)}, replicas at ${outcome.value.replicas.map(name).join(' and ')}`
              : outcome.error.text,
          );
        });
        on.world.run(2000);
        return;
      case 'fetch': {
        const record = records.get(first);
        if (record === undefined) throw new Error(`${first} was never stored`);
        on.records.lookup(named(words[1]), record, ({ found }) =>
          lines.push(found ? 'found' : 'missing'),
        );
        const owner = on.living().find((one) => one.topology.isResponsible(record.resource));
        on.world.run(2000);
        lines.push(`responsible: ${name(owner?.nodeId)}`);
        return;
      }
      case 'configure': {
        const [, setting = '', value = ''] = words;
        const name = settings[setting];
        if (name === undefined) throw new Error(`no setting ${setting}`);
        offer(named(first), { [name]: Number(value) }, lines);
        watch(30_000, lines);
        return;
      }
      case 'revoke':
        offer(named(words[2]), { badNodes: [named(first).nodeId] }, lines);
        watch(30_000, lines);
        return;
      case 'documents':
        for (const peer of on.living().sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))) {
          const { sequence, maxMessageSize, initialTtl } = peer.overlay.config();
          lines.push(
            `${name(peer.nodeId)} document ${sequence}, max-message-size ${maxMessageSize}, initial-ttl ${initialTtl}`,
          );
        }
        return;
      case 'linked': {
        const { nodeId } = named(first);
        const holders = on.living().filter((peer) => {
          return peer.overlay.snapshot().links.some((link) => link.nodeId === nodeId);
        });
        const names = holders.map((peer) => name(peer.nodeId)).sort();
        lines.push(`linked with ${first}: ${names.join(' ') || 'nobody'}`);
        return;
      }
      default:
        throw new Error(`unknown command ${verb}`);
    }
  }

  return commands.map((command) => ({ command, shown: perform(command) }));
}
