/**
 * Source maps of the package: which line came from which, without the columns in between. Stack traces need
 * no more, and it is a sixth of the bytes.
 *
 * @module
 */

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** Bits of a number that one digit carries; the next higher one says that more follow. */
const DIGIT_BITS = 5;
const MORE = 1 << DIGIT_BITS;

/** Where a position of the output came from: `[column, source, line, column]`, all from 0. */
type Segment = [number, number, number, number];

/** The part of a source map that is used. */
interface SourceMap {
  readonly version: number;
  readonly file: string;
  readonly sources: readonly string[];
  readonly mappings: string;
}

/** The same map for lines only. */
export function lineMap(map: string): string {
  const { version, file, sources, mappings } = JSON.parse(map) as SourceMap;
  const lines = decodeMappings(mappings).map(withoutColumns);
  return JSON.stringify({ version, file, sources, names: [], mappings: encodeMappings(lines) });
}

/** The first segment, and those at which the source goes on in another line. */
function withoutColumns(segments: Segment[]): Segment[] {
  return segments.filter(([, , line], i) => i === 0 || line !== segments[i - 1][2]);
}

/** The segments of each line of the output. */
export function decodeMappings(mappings: string): Segment[][] {
  let [source, line, column] = [0, 0, 0];
  return mappings.split(";").map((text) => {
    let output = 0;
    const segments: Segment[] = [];
    for (const piece of text.split(",")) {
      const [a, b, c, d] = decodeNumbers(piece);
      if (a === undefined) continue;
      output += a;
      if (b === undefined) continue;
      segments.push([output, source += b, line += c, column += d]);
    }
    return segments;
  });
}

function encodeMappings(lines: readonly Segment[][]): string {
  let [source, line, column] = [0, 0, 0];
  return lines.map((segments) => {
    let output = 0;
    return segments.map((segment) => {
      const steps = [segment[0] - output, segment[1] - source, segment[2] - line, segment[3] - column];
      [output, source, line, column] = segment;
      return steps.map(encodeNumber).join("");
    }).join(",");
  }).join(";");
}

/** Numbers in base 64, lowest digit first, with the sign in the lowest bit. */
function decodeNumbers(text: string): number[] {
  const numbers: number[] = [];
  let [value, shift] = [0, 0];
  for (const letter of text) {
    const digit = DIGITS.indexOf(letter);
    value |= (digit & (MORE - 1)) << shift;
    shift += DIGIT_BITS;
    if (digit & MORE) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return numbers;
}

function encodeNumber(value: number): string {
  let rest = value < 0 ? (-value << 1) | 1 : value << 1;
  let text = "";
  do {
    const digit = rest & (MORE - 1);
    rest >>>= DIGIT_BITS;
    text += DIGITS[rest > 0 ? digit | MORE : digit];
  } while (rest > 0);
  return text;
}
