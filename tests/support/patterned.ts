/** `size` bytes that no two sizes share. */
export function patterned(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + size) % 251);
}
