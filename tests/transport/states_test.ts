/** Conformance with the state machines of RFC 9000 §3 and §10 and of our handshake: every state with every event. */

import assert from "node:assert/strict";
import { type Driver, HANDSHAKE, RECEIVING, SENDING, SESSION } from "./state_drivers.ts";
import {
  HANDSHAKE_TABLE,
  RECEIVING_TABLE,
  SENDING_TABLE,
  SESSION_TABLE,
  type StateTable,
} from "./state_tables.ts";

function check<T>({ title, outcomes }: StateTable, driver: Driver<T>): void {
  Deno.test(`states: ${title}: every event in every state`, () => {
    // No pair may be missing on either side.
    assert.deepEqual(Object.keys(outcomes).sort(), Object.keys(driver.events).sort());
    for (const [event, act] of Object.entries(driver.events)) {
      assert.deepEqual(Object.keys(outcomes[event]).sort(), Object.keys(driver.make).sort(), event);
      for (const [state, make] of Object.entries(driver.make)) {
        const subject = make();
        assert.equal(
          driver.describe(subject, () => act(subject)),
          outcomes[event][state],
          `${state}: ${event}`,
        );
      }
    }
  });
}

check(SENDING_TABLE, SENDING);
check(RECEIVING_TABLE, RECEIVING);
check(SESSION_TABLE, SESSION);
check(HANDSHAKE_TABLE, HANDSHAKE);
