/**
 * Handshake patterns of the Noise protocol framework (revision 34, §7 and §9), written as its tables are.
 *
 * @module
 */

/** What one step of a message does: sends a key, or mixes a Diffie-Hellman result or the shared key. */
export type NoiseToken = "e" | "s" | "ee" | "es" | "se" | "ss" | "psk";

/** Name of a pattern. Hawser uses `IKpsk2`; the others are here because the same code runs them. */
export type NoisePatternName = "NK" | "IK" | "XX" | "NNpsk0" | "NKpsk0" | "XXpsk3" | "IKpsk2";

/** A handshake pattern. */
export interface NoisePattern {
  /** Whether the initiator knows the responder's static key before (pre-message `<- s`). */
  readonly knowsResponder: boolean;
  /** The tokens of each message; the initiator sends the first, then they take turns. */
  readonly messages: readonly (readonly NoiseToken[])[];
}

/** The patterns by name. */
export const NOISE_PATTERNS: Readonly<Record<NoisePatternName, NoisePattern>> = {
  NK: { knowsResponder: true, messages: [["e", "es"], ["e", "ee"]] },
  IK: { knowsResponder: true, messages: [["e", "es", "s", "ss"], ["e", "ee", "se"]] },
  XX: { knowsResponder: false, messages: [["e"], ["e", "ee", "s", "es"], ["s", "se"]] },
  NNpsk0: { knowsResponder: false, messages: [["psk", "e"], ["e", "ee"]] },
  NKpsk0: { knowsResponder: true, messages: [["psk", "e", "es"], ["e", "ee"]] },
  XXpsk3: { knowsResponder: false, messages: [["e"], ["e", "ee", "s", "es"], ["s", "se", "psk"]] },
  IKpsk2: { knowsResponder: true, messages: [["e", "es", "s", "ss"], ["e", "ee", "se", "psk"]] },
};

/** Whether any message of the pattern mixes the shared key. */
export function usesPsk(pattern: NoisePattern): boolean {
  return pattern.messages.some((tokens) => tokens.includes("psk"));
}

/** Whether that side of the pattern has a static key. */
export function usesStatic(pattern: NoisePattern, initiator: boolean): boolean {
  if (!initiator && pattern.knowsResponder) return true;
  return pattern.messages.some((tokens, i) => (i % 2 === 0) === initiator && tokens.includes("s"));
}
