/**
 * CHORD-RELOAD (RFC 6940 §10) as a topology plug-in: wires the parts and turns every change of the
 * linked nodes into its consequences.
 */
import { emptyBytes } from '../../base/bytes.ts';
import type { NodeId, ResourceId } from '../../base/ids.ts';
import { success, type Outcome } from '../../base/outcome.ts';
import { encodeToBytes, tryDecode } from '../../wire/codec.ts';
import { chordRouteQueryAns, chordUpdate } from '../../wire/reload/chord.ts';
import { errorCodes } from '../../wire/reload/errors.ts';
import { routeQueryReq } from '../../wire/reload/route-query.ts';
import type { Topology, TopologyError, TopologyFactory, TopologyHost } from '../plugin.ts';
import { createAdmission, refuse } from './admission.ts';
import { createFingerSearch } from './finger-search.ts';
import { createJoiner } from './join.ts';
import { createLearner } from './learn.ts';
import { readLeave, sayLeave, type Leaving } from './leave.ts';
import { noNeighbors, sameIds, type Neighbors } from './neighbor-table.ts';
import { createPeerTable, type Peer } from './peers.ts';
import { rememberLists, sortedLists } from './receive.ts';
import { createReplication } from './replication.ts';
import { distance, idDigits, inRange, partsPerBillion } from './ring.ts';
import { isCloseEnough, nextHop } from './routing.ts';
import { createStabiliser } from './stabilise.ts';
import { timing } from './timing.ts';
import { createAnnouncer } from './updates.ts';

const answer = success(emptyBytes);
/** Node-ID length of the ring in bytes. */
const nodeIdLength = idDigits / 2;

export const createChord: TopologyFactory = (host: TopologyHost): Topology => {
  const { self, clock, trace } = host;
  let state: Topology['state'] = 'idle';
  let leaving: Leaving | undefined;
  const inRing = (): boolean => state === 'joined';
  const serves = (): boolean => state === 'joined' || state === 'leaving';

  const peers = createPeerTable(self);
  const announcer = createAnnouncer(host, peers, inRing);
  const learner = createLearner(host, peers, {
    attached(id) {
      if (inRing()) announcer.sendTables(id);
      joiner.step();
    },
    failed: () => joiner.step(),
    mode: () => (state === 'joining' ? 'joining' : state === 'joined' ? 'member' : 'off'),
  });
  const fingers = createFingerSearch(host, peers, learner, inRing);
  const replication = createReplication(host, peers, inRing);
  const stabiliser = createStabiliser({ host, peers, learner, announcer, inRing });
  const joiner = createJoiner({
    host,
    peers,
    learner,
    findFingers: (done) => fingers.initial(done),
    admitted: enterRing,
  });
  const admission = createAdmission({
    host,
    peers,
    inRing,
    admit(id) {
      const peer = peers.get(id);
      if (peer === undefined) return;
      peer.admitted = true;
      peers.touch();
      announcer.sendTables(id);
      settle(false, id);
    },
    redirect: (id) => announcer.sendTables(id),
  });

  let known = { neighbors: noNeighbors, from: self, replicas: noNeighbors.successors };

  function setState(next: Topology['state']): void {
    state = next;
    host.changed('state');
  }

  /** Compares the tables with those of the last time and does what the difference asks for. */
  function settle(lost: boolean, served?: NodeId): void {
    const before = known;
    const neighbors = peers.neighbors();
    known = { neighbors, from: peers.rangeFrom(), replicas: replication.replicas() };
    const tablesMoved = !sameNeighbors(before.neighbors, neighbors);
    if (tablesMoved) host.changed('tables');
    if (!inRing()) return;

    const rangeMoved = known.from !== before.from;
    const replicasMoved = !sameIds(known.replicas, before.replicas);
    if (rangeMoved) host.changed('range');
    if (replicasMoved) host.changed('replicas');
    const shrank = rangeMoved && known.from !== self && inRange(before.from, known.from, self);
    if (shrank) replication.rangeLost(before.from, served);
    if (rangeMoved || replicasMoved || tablesMoved) replication.changed(lost);
    // §10.7.3: everybody linked hears of it; without reactive recovery only of a changed range.
    if (rangeMoved || (tablesMoved && host.config().chordReactive)) {
      announcer.tablesChanged();
    }
    if (tablesMoved) {
      fingers.neighborhoodChanged();
      stabiliser.neighborsChanged();
    }
  }

  /** The admitting peer has named us (§10.5 step 7), or we are the first. */
  function enterRing(): void {
    known = {
      neighbors: peers.neighbors(),
      from: peers.rangeFrom(),
      replicas: replication.replicas(),
    };
    setState('joined');
    host.changed('range');
    replication.begin();
    fingers.begin();
    stabiliser.begin();
    announcer.payAll();
    announcer.tablesChanged();
    fingers.neighborhoodChanged();
    learner.pursue();
  }

  function handleUpdate(from: NodeId, body: Uint8Array): Outcome<Uint8Array, TopologyError> {
    const update = tryDecode(chordUpdate, body);
    if (!update.ok) return refuse(errorCodes.invalidMessage, 'malformed Update');
    const peer = peers.get(from);
    if (peer === undefined) return refuse(errorCodes.forbidden, 'Update needs a direct link');
    // Overtaken, or left over from a link before this one: it may name us as the member we once were.
    if (update.value.uptime < peer.uptimeS) return answer;
    peer.uptimeS = update.value.uptime;
    peer.doubted = false;
    peer.unconfirmed = false;
    if (!peer.heard) {
      peer.heard = true;
      peers.touch();
    }
    if (update.value.type === 'peerReady') {
      settle(false);
      joiner.step();
      return answer;
    }
    const lists = sortedLists(from, update.value);
    const passedOver = rememberLists(peer, lists, self);
    settle(false);
    for (const id of passedOver) doubt(id);
    joiner.updateFrom(from, lists);
    joiner.step();
    learner.consider(lists);
    return answer;
  }

  /** A neighbor no longer names this node: look whether it is still there. */
  function doubt(id: NodeId): void {
    const peer = peers.get(id);
    const { predecessors, successors } = known.neighbors;
    if (peer === undefined || peer.doubted || peer.suspect || !inRing()) return;
    if (!predecessors.includes(id) && !successors.includes(id)) return;
    if (clock.monotonicMs() - peer.checkedAtMs < timing.doubtGapMs) return;
    peer.doubted = true;
    peer.checkedAtMs = clock.monotonicMs();
    announcer.sendReady(id);
  }

  function handleLeave(from: NodeId, body: Uint8Array): Outcome<Uint8Array, TopologyError> {
    const named = readLeave(from, host.isLinked(from), body);
    if (!named.ok) return named;
    const peer = peers.get(from);
    if (peer === undefined) return answer;
    trace.log('info', 'chord-peer-leaves', { node: from });
    learner.hint(named.value.slice(0, 8), from);
    learner.avoid(from, timing.avoidLeftMs);
    const wasRoutable = peer.heard;
    peer.heard = false;
    peer.admitted = false;
    peers.touch();
    lostPeer(from, wasRoutable);
    return answer;
  }

  function handleRouteQuery(from: NodeId, body: Uint8Array): Outcome<Uint8Array, TopologyError> {
    const query = tryDecode(routeQueryReq, body);
    if (!query.ok) return refuse(errorCodes.invalidMessage, 'malformed RouteQuery');
    if (query.value.sendUpdate) announcer.oweFull(from);
    const { destination } = query.value;
    if (destination.type !== 'node' && destination.type !== 'resource') {
      return refuse(errorCodes.notFound, 'no route to opaque ids');
    }
    const target = destination.type === 'node' ? destination.nodeId : destination.resource;
    const hop = nextHop(peers, serves(), target, undefined);
    if (hop.kind === 'none') return refuse(errorCodes.notFound, 'no route');
    const nextPeer = hop.kind === 'self' ? self : hop.nodeId;
    return success(encodeToBytes(chordRouteQueryAns, { nextPeer }));
  }

  /** A member is gone or treated as gone: repair, then look for better ones. */
  function lostPeer(id: NodeId, wasRoutable: boolean): void {
    settle(true);
    if (wasRoutable) fingers.lost(id);
    joiner.step();
    learner.pursue();
  }

  /**
   * A link took the place of another: the node may have started anew and be no member yet, and
   * messages sent through it would come back. A member says so when asked.
   */
  function hearAgain(peer: Peer): void {
    if ((!peer.heard && !peer.admitted) || !inRing()) return;
    const wasSilent = peer.resumedAtMs === clock.monotonicMs();
    peer.unconfirmed = true;
    const forget = (): void => {
      if (peers.get(peer.id) !== peer || !peer.unconfirmed) return;
      peer.unconfirmed = false;
      peer.heard = false;
      peer.admitted = false;
      peers.touch();
      lostPeer(peer.id, true);
    };
    if (wasSilent) forget();
    else clock.after('chord-hear-again', timing.hearAgainMs, forget);
    learner.ask(peer.id);
  }

  /** Tells the awake nearest on both sides at once who is passed over now: they get its messages. */
  function warnNearest(id: NodeId): void {
    const { predecessors, successors } = known.neighbors;
    if (!predecessors.includes(id) && !successors.includes(id)) return;
    const awake = (other: NodeId): boolean => peers.get(other)?.suspect === false;
    for (const other of new Set([successors.find(awake), predecessors.find(awake)])) {
      if (other !== undefined) announcer.sendTables(other);
    }
  }

  function suspectFor(id: NodeId): void {
    const peer = peers.get(id);
    if (peer === undefined) return;
    const round = ++peer.suspicions;
    clock.after('chord-down', timing.downAfterMs, () => {
      if (!peer.suspect || peer.suspicions !== round || peers.get(id) !== peer) return;
      peer.down = true;
      peers.touch();
      trace.log('info', 'chord-peer-silent', { node: id });
      lostPeer(id, peer.heard);
    });
  }

  function stopParts(): void {
    joiner.stop();
    learner.stop();
    fingers.stop();
    replication.stop();
    stabiliser.stop();
    announcer.stop();
  }

  return {
    join(first) {
      // A node that waits in vain for others may still be told to be the first.
      if (state === 'joining' && first) {
        joiner.stop();
        enterRing();
      }
      if (state !== 'idle') return;
      if (host.config().nodeIdLength !== nodeIdLength || self.length !== idDigits) {
        trace.log('error', 'chord-node-id-length', { supported: nodeIdLength });
        return;
      }
      for (const id of host.linkedNodes()) peers.add(id).ours = !first;
      if (first) {
        enterRing();
        return;
      }
      setState('joining');
      joiner.start();
    },
    leave(done) {
      const wasInRing = inRing();
      if (state === 'leaving' || state === 'left') {
        clock.after('chord-left', 0, done);
        return;
      }
      stopParts();
      setState('leaving');
      const end = (): void => {
        setState('left');
        done();
      };
      if (wasInRing) leaving = sayLeave(host, peers, end);
      else clock.after('chord-left', 0, end);
    },
    get state() {
      return state;
    },

    nextHop: (target, exclude) => nextHop(peers, serves() || joiner.receiving, target, exclude),
    isResponsible: (resource: ResourceId) =>
      resource.length === idDigits && (serves() || joiner.receiving) && peers.owns(resource),
    replicas: () => (serves() ? replication.replicas() : []),
    isPlausibleReplica(resource, replicaNumber) {
      if (resource.length !== idDigits || replicaNumber < 1 || replicaNumber > 2) return false;
      const third = peers.neighbors().predecessors[2];
      return third === undefined || inRange(third, resource, self);
    },
    isPlausibleHolder(resource, sender) {
      if (resource.length !== idDigits || sender.length !== idDigits) return false;
      // Whoever hands over to us as a new owner comes after us.
      const farthest = peers.neighbors().successors.at(-1);
      return farthest === undefined || distance(resource, sender) <= distance(resource, farthest);
    },
    isCloseEnough: (signer, resource) => !serves() || isCloseEnough(peers, signer, resource),
    responsiblePpb: () => (serves() ? partsPerBillion(peers.rangeFrom(), self) : 0),

    linkUp(id) {
      const known = peers.get(id) !== undefined;
      const peer = peers.add(id);
      // Whoever is not part of the ring yet has made its links itself.
      if (state === 'joining') peer.ours = true;
      // A link in place of another one: the other side may have forgotten what we said on the old one.
      if (known) {
        peer.announced = undefined;
        peer.uptimeS = 0;
        admission.linkDown(id);
        hearAgain(peer);
      }
      if (known && inRing()) announcer.sendTables(id);
      learner.linkUp(id);
      announcer.payFull(id);
      if (known) joiner.linkReplaced(id);
      joiner.step();
    },
    linkDown(id) {
      const peer = peers.get(id);
      if (peer === undefined) return;
      peers.delete(id);
      learner.linkDown(id);
      learner.avoid(id, timing.avoidLostMs);
      admission.linkDown(id);
      leaving?.linkDown(id);
      lostPeer(id, peer.heard);
    },
    linkSuspect(id, suspect) {
      const peer = peers.get(id);
      if (peer === undefined || peer.suspect === suspect) return;
      peer.suspect = suspect;
      if (!suspect) {
        peer.down = false;
        peer.resumedAtMs = clock.monotonicMs();
      }
      peers.touch();
      if (suspect) suspectFor(id);
      settle(suspect);
      if (suspect && inRing()) warnNearest(id);
      if (!suspect) {
        announcer.tablesChanged();
        learner.pursue();
      }
      joiner.step();
    },

    handleJoin: (from, body) => admission.handleJoin(from, body),
    handleLeave,
    handleUpdate,
    handleRouteQuery,
    sendUpdateTo: (id) => announcer.oweFull(id),

    snapshot() {
      const { predecessors, successors } = peers.neighbors();
      const near = new Set([...predecessors, ...successors]);
      return {
        self,
        state,
        predecessors,
        successors,
        fingers: peers
          .fingers()
          .ids()
          .filter((id) => !near.has(id)),
        routable: peers.routable(),
      };
    },
  };
};

function sameNeighbors(a: Neighbors, b: Neighbors): boolean {
  return sameIds(a.predecessors, b.predecessors) && sameIds(a.successors, b.successors);
}
