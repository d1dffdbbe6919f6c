/**
 * The trouble in a simulated world: what happens to its links and nodes while the storm lasts.
 *
 * @module
 */

import type { SimNetwork } from "../network.ts";
import type { Prng } from "../prng.ts";
import type { App } from "./app.ts";
import { drawLink, drawMtu, fairLink, type Nature, type Trouble } from "./nature.ts";

/** Code with which applications close sessions in the storm. */
const CLOSE_CODE = 0x3000;

/** Makes trouble. */
export class Weather {
  /** End of the storm. */
  readonly #until: number;

  constructor(
    readonly network: SimNetwork,
    readonly apps: readonly App[],
    readonly nature: Nature,
    readonly random: Prng,
    readonly note: (text: string) => void,
  ) {
    this.#until = network.now + nature.storm;
    this.#eachLink((from, to) => void (network.link(from.node, to.node).options = drawLink(random, nature)));
    for (const trouble of nature.troubles) {
      for (let count = 1 + random.int(4); count > 0; count--) {
        network.after(random.between(0, 0.9 * nature.storm), () => this.#happen(trouble));
      }
    }
  }

  /** The storm is over. */
  clear(): void {
    const { network, random, nature } = this;
    this.#eachLink((from, to) => {
      const link = network.link(from.node, to.node);
      link.options = fairLink(random, nature, link.options);
    });
  }

  #happen(trouble: Trouble): void {
    const { network, random, nature } = this;
    const [app, peer] = this.#pair();
    const link = network.link(app.node, peer.node);
    switch (trouble) {
      case "change": {
        const { mtu, tellsTooBig } = link.options;
        link.options = { ...drawLink(random, nature), mtu, tellsTooBig };
        this.note(`the link from ${app.name} to ${peer.name} changes: ${JSON.stringify(link.options)}`);
        break;
      }
      case "partition": {
        const lasts = this.#while(0.9 * nature.idleTimeout);
        const oneWay = random.chance(0.4);
        this.note(`${app.name} is cut off from ${peer.name}${oneWay ? ", one way," : ""} for ${lasts} ms`);
        network.partition([app.node], [peer.node], { lasts, oneWay });
        break;
      }
      case "rebind":
        app.node.rebind(random.chance(0.7) ? undefined : { hostname: `198.51.100.${1 + random.int(250)}` });
        this.note(`${app.name} is now seen at ${app.node.address.hostname}:${app.node.address.port}`);
        break;
      case "stall": {
        const lasts = this.#while(random.chance(0.3) ? 0.6 * nature.idleTimeout : 500);
        this.note(`${app.name} stands still for ${lasts} ms`);
        app.node.stall(lasts);
        break;
      }
      case "restart": {
        if (app.isDown) break;
        const downtime = random.chance(0.5) ? 0 : this.#while(2_000);
        this.note(`${app.name} dies for ${downtime} ms`);
        app.kill();
        network.after(downtime, () => this.#revive(app));
        break;
      }
      case "black_hole":
        link.options = { ...link.options, mtu: drawMtu(random, nature), tellsTooBig: random.chance(0.3) };
        this.note(`the link from ${app.name} to ${peer.name} carries ${link.options.mtu} bytes from now on`);
        break;
      case "close":
        app.close(peer, CLOSE_CODE);
        break;
      case "crossing":
        app.close(peer, CLOSE_CODE);
        network.after(random.int(200), () => {
          app.connect(peer);
          network.after(random.between(0, 3 * nature.delay), () => peer.connect(app));
        });
    }
  }

  #revive(app: App): void {
    this.note(`${app.name} is back`);
    app.revive();
    for (const peer of this.apps) {
      if (peer !== app && this.random.chance(0.6)) app.connect(peer);
    }
  }

  /** Up to so long, and not beyond the storm. */
  #while(longest: number): number {
    return Math.ceil(Math.min(this.random.between(0, longest), this.#until - this.network.now));
  }

  #pair(): [App, App] {
    const { apps, random } = this;
    const first = random.int(apps.length);
    return [apps[first], apps[(first + 1 + random.int(apps.length - 1)) % apps.length]];
  }

  #eachLink(action: (from: App, to: App) => void): void {
    for (const from of this.apps) for (const to of this.apps) if (from !== to) action(from, to);
  }
}
