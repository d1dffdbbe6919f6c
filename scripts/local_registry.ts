/**
 * An npm registry on loopback that has one package in one version, so that runtimes can be asked for it by its name before
 * it is published. All other packages come from where they usually do: only the package's scope leads here.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A registry that runs. */
export interface LocalRegistry extends AsyncDisposable {
  /** The line of `.npmrc` that sends the package's scope here. */
  readonly npmrc: string;
}

/** Begins to serve the package in `tarball`, whose `package.json` is given. */
export async function serveRegistry(
  manifest: { readonly name: string; readonly version: string } & Record<string, unknown>,
  tarball: string,
): Promise<LocalRegistry> {
  const bytes = readFileSync(tarball);
  const digest = (algorithm: string) => createHash(algorithm).update(bytes);
  const { name, version } = manifest;
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "");
    if (path === "/package.tgz") return response.end(bytes);
    if (path !== `/${name}`) return response.writeHead(404).end();
    const dist = {
      tarball: `${origin}/package.tgz`,
      integrity: `sha512-${digest("sha512").digest("base64")}`,
      shasum: digest("sha1").digest("hex"),
    };
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({
        name,
        "dist-tags": { latest: version },
        versions: { [version]: { ...manifest, dist } },
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    npmrc: `${name.split("/")[0]}:registry=${origin}/\n`,
    async [Symbol.asyncDispose](): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
