/**
 * A whole world from one number: nodes, links, applications and trouble, and the checks that everything was delivered,
 * that nothing died without need and that nothing is left. The same seed is the same world, datagram by datagram.
 *
 * First there is a storm, in which links and nodes fail in every way; then a calm, in which everything must come to
 * its end; then all sessions are closed.
 *
 * @module
 */

import { toHex } from "../../../src/wire/bytes.ts";
import { SimNetwork } from "../network.ts";
import { Prng } from "../prng.ts";
import { App, type AppWorld } from "./app.ts";
import { checkBounds, checkNothingLeft, checkStreams } from "./bounds.ts";
import { describe, Ledger } from "./ledger.ts";
import { Messages } from "./messages.ts";
import { drawDirection, drawNature, drawNode, type Nature } from "./nature.ts";
import { SessionWatch } from "./session_watch.ts";
import { Weather } from "./weather.ts";

/** What a world was like. */
export interface WorldResult {
  /** Virtual time that passed, milliseconds. */
  readonly milliseconds: number;
  /** Datagrams sent. */
  readonly datagrams: number;
  /** Streams opened. */
  readonly streams: number;
  /** Bytes that readers got. */
  readonly bytes: number;
  /** Unreliable datagrams that arrived. */
  readonly messages: number;
  /** Ends of sessions by kind. */
  readonly ends: SessionWatch["ends"];
}

/** How a world is looked at. */
export interface WorldOptions {
  /** Called with the world before anything happens: to trace it, or to spoil it. */
  readonly prepare?: (world: World) => void;
}

/** Virtual time between looks at what nodes hold. */
const LOOK = 200;
/** In the calm everything that waits for nothing must be over within this time beyond the idle time-out. */
const CALM = 120_000;
/** Time in which a small stream passes in the calm, handshake and the discovery of a black hole included. */
const SMALL_STREAM = 20_000;
/** Code with which sessions are closed in the end. */
const END_CODE = 0;

/** Runs the world of a seed; throws what it finds wrong. */
export function runWorld(seed: number, options: WorldOptions = {}): WorldResult {
  const world = new World(seed);
  options.prepare?.(world);
  return world.run();
}

/** A world. */
export class World implements AppWorld {
  readonly nature: Nature;
  readonly network: SimNetwork;
  readonly ledger = new Ledger();
  readonly messages = new Messages();
  readonly watch = new SessionWatch();
  readonly apps: App[] = [];
  /** Told what happens. */
  onNote: ((text: string) => void) | undefined;
  readonly #random: Prng;
  readonly #traffic: Prng;
  /** See {@linkcode AppWorld}. */
  isCalm = false;

  constructor(readonly seed: number) {
    this.#random = new Prng(seed);
    this.#traffic = this.#random.fork();
    this.nature = drawNature(this.#random.fork());
    this.network = new SimNetwork(this.#random.int(2 ** 32));
    this.network.watcher = this.watch;
    const nodes = this.#random.fork();
    for (let i = 0; i < this.nature.nodes; i++) {
      const app = new App(`n${i}`, this);
      app.node = this.network.node({
        ...drawNode(nodes, this.nature),
        hostname: this.nature.isLoopback ? `127.0.0.${1 + i}` : undefined,
        onIncoming: (connection) => app.accept(connection),
      });
      this.apps.push(app);
    }
  }

  /** Lets it happen. */
  run(): WorldResult {
    const { network, nature } = this;
    this.note(`${JSON.stringify(nature)} with ${[...nature.troubles].join(", ") || "no trouble"}`);
    const start = network.now;
    const weather = new Weather(network, this.apps, nature, this.#random.fork(), (text) => this.note(text));
    this.#connectAtFirst();
    this.#orderStreams();
    this.#sendMessages();
    // What the weather rounds up is over, too.
    this.#passTime(nature.storm + 2);
    this.isCalm = true;
    weather.clear();
    this.note("the storm is over");
    this.#calm();
    this.#close();
    return this.#result(start);
  }

  /** See {@linkcode AppWorld}. */
  note(text: string): void {
    this.onNote?.(text);
  }

  /** See {@linkcode AppWorld}. */
  appOf(key: Uint8Array): App {
    const app = this.apps.find(({ node }) => toHex(node.id) === toHex(key));
    if (app === undefined) throw new Error("a session has a peer that is not of this world");
    return app;
  }

  /** See {@linkcode AppWorld}. */
  onSessionEnd(app: App, peer: App): void {
    if (this.isCalm) {
      // An attempt that began in the storm may fail in the calm: the next one does not.
      this.network.after(0, () => app.connectForOrders(peer));
    } else if (this.#traffic.chance(0.8)) {
      this.network.after(this.#traffic.int(1_000), () => {
        if (!this.isCalm) app.connect(peer);
      });
    }
  }

  #connectAtFirst(): void {
    const random = this.#traffic;
    for (const [a, b] of this.#pairs) {
      if (!random.chance(0.8) && this.apps.length > 2) continue;
      const [first, second] = random.chance(0.5) ? [a, b] : [b, a];
      const at = random.int(500);
      this.network.after(at, () => first.connect(second));
      if (random.chance(0.3)) {
        this.network.after(at + random.between(0, 3 * this.nature.delay), () => second.connect(first));
      }
    }
  }

  #orderStreams(): void {
    for (let i = 0; i < this.nature.streams; i++) {
      const [opener, acceptor] = this.#pick(this.#pairs);
      this.network.after(this.#traffic.between(0, this.nature.storm), () => this.#order(opener, acceptor));
    }
  }

  #sendMessages(): void {
    for (let i = 0; i < this.nature.messages; i++) {
      const [from, to] = this.#pick(this.#pairs);
      const at = this.#traffic.between(0, this.nature.storm);
      this.network.after(at, () => this.messages.send(from, to, this.#traffic));
    }
  }

  #order(opener: App, acceptor: App): void {
    const random = this.#traffic;
    const direction = () => drawDirection(random, this.nature);
    const entry = this.ledger.add(opener.name, acceptor.name, direction(), direction());
    opener.order(acceptor, { entry, priority: random.int(8), weight: 1 + random.int(256) });
  }

  /** Everything comes to its end, and everybody can reach everybody. */
  #calm(): void {
    const { ledger, watch } = this;
    for (const app of this.apps) app.cancelOrders();
    ledger.hurry();
    this.#await(() => ledger.open.length === 0, this.#longestSilence + CALM, () => {
      return ["streams that do not end:", ...ledger.open.map(describe)].join("\n  ");
    });
    ledger.check();
    const split = () => this.#pairs.find(([a, b]) => !watch.agree(a, b));
    // A session that steps in for one that has died may be dead, too: then it takes twice the time.
    this.#await(() => split() === undefined, 2 * this.#longestSilence + SMALL_STREAM, () => {
      return `${split()!.map(({ name }) => name).join(" and ")} hold different sessions with each other`;
    });
    watch.calmSince = this.network.now;
    this.note("everybody talks to everybody");
    // A session may come to its end just then: the next attempt finds none and makes a new one.
    for (let attempts = 3; !this.#talk(); attempts--) {
      if (attempts === 1) throw new Error("small streams fail in calm weather");
    }
  }

  /** Sends a small stream each way between all pairs; whether all of them arrived. */
  #talk(): boolean {
    const { ledger } = this;
    const first = ledger.entries.length;
    const plan = { ...CALM_STREAM, salt: first };
    for (const [a, b] of this.#pairs) {
      const [first, second] = this.#pick([[a, b]]);
      first.connect(second);
      for (const [from, to] of [[a, b], [b, a]]) {
        from.order(to, { entry: ledger.add(from.name, to.name, plan, plan), priority: 3, weight: 16 });
      }
    }
    const mine = () => ledger.entries.slice(first);
    const isOver = () => mine().every(({ back }) => back.receiver !== undefined) && ledger.open.length === 0;
    // Two that have both moved do not find each other any more, and a stream may wait on a session whose other side has
    // restarted: these sessions have to end first.
    const { troubles } = this.nature;
    const mayHang = (["rebind", "restart", "crossing", "black_hole"] as const).some((trouble) =>
      troubles.has(trouble)
    );
    const lost = mayHang ? 2 * this.#longestSilence : 0;
    this.#await(isOver, lost + SMALL_STREAM, () => {
      return ["small streams do not pass in calm weather:", ...mine().map(describe)].join("\n  ");
    });
    ledger.check();
    return mine().every(({ forth, back }) =>
      forth.receiver?.outcome === "ended" && back.receiver?.outcome === "ended"
    );
  }

  #close(): void {
    this.note("everything is closed");
    this.watch.isClosing = true;
    const atOnce = this.#traffic.chance(0.5);
    for (const app of this.apps) {
      if (atOnce) app.node.endpoint.closeAll(END_CODE, "node closed", app.node.now);
      else for (const peer of this.apps) this.#closeAllWith(app, peer);
      app.node.flush();
    }
    this.#passTime(this.#longestSilence + SMALL_STREAM);
    this.network.settle(this.#longestSilence);
    checkNothingLeft(this.apps);
  }

  /** Two nodes that connect to each other at once may have two sessions for a while. */
  #closeAllWith(app: App, peer: App): void {
    if (app === peer) return;
    for (let sessions = 0; app.sessionWith(peer) !== undefined; sessions++) {
      if (sessions === 2) throw new Error(`${app.name} has more than two sessions with ${peer.name}`);
      app.close(peer, END_CODE);
    }
  }

  /** Idle time-outs and probe time-outs of a session of this world are no longer. */
  get #longestSilence(): number {
    return Math.max(...this.apps.map(({ node }) => node.endpoint.transport.idleTimeout)) +
      20 * this.nature.delay;
  }

  get #pairs(): [App, App][] {
    return this.apps.flatMap((a, i) => this.apps.slice(i + 1).map((b): [App, App] => [a, b]));
  }

  /** One of the pairs, either way round. */
  #pick(pairs: readonly [App, App][]): [App, App] {
    const [a, b] = this.#traffic.pick(pairs);
    return this.#traffic.chance(0.5) ? [a, b] : [b, a];
  }

  #passTime(milliseconds: number): void {
    const until = this.network.now + milliseconds;
    while (this.network.now < until) {
      this.network.run(Math.min(LOOK, until - this.network.now));
      this.#look();
    }
  }

  #await(done: () => boolean, patience: number, complaint: () => string): void {
    const until = this.network.now + patience;
    while (!done()) {
      if (this.network.now >= until) throw new Error(complaint());
      this.network.run(LOOK);
      this.#look();
    }
  }

  #look(): void {
    checkBounds(this.apps);
    checkStreams(this.ledger);
  }

  #result(start: number): WorldResult {
    const { network, ledger } = this;
    let datagrams = 0;
    for (const a of this.apps) {
      for (const b of this.apps) if (a !== b) datagrams += network.link(a.node, b.node).counts.sent;
    }
    const received = ledger.entries.flatMap(({ forth, back }) => [forth.receiver, back.receiver]);
    return {
      milliseconds: network.now - start,
      datagrams,
      streams: ledger.entries.filter(({ sessions }) => sessions.length > 0).length,
      bytes: received.reduce((sum, end) => sum + (end?.read ?? 0), 0),
      messages: this.messages.received,
      ends: this.watch.ends,
    };
  }
}

/** What is sent in the calm: must arrive, both ways. */
const CALM_STREAM = {
  length: 2_000,
  piece: 2_000,
  writePause: 0,
  resetAt: undefined,
  hold: 0,
  readPause: 0,
  readLate: 0,
  stopAt: undefined,
};
