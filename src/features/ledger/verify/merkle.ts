import { areEqual } from './bytes.ts';
import { emptyRoot, nodeHash, type Hash } from './hashes.ts';

/*
 * Merkle trees as in RFC 9162 (Certificate Transparency 2.0), section 2.1. Proofs are made in two steps: which parts of the
 * leaves are hashed (pure arithmetic), then their hashes, from a list in memory or from rows that a log keeps.
 */

/** Leaves `from` up to, and without, `to`. */
export interface LeafRange {
  from: number;
  to: number;
}

/** A full subtree: `position`-th from the left among those over 2^level leaves. */
export interface Subtree {
  level: number;
  position: number;
}

/** The largest power of two below `count`, which is above 1. */
function splitOf(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}

/** PATH(index, D[size]) of section 2.1.3.1 as ranges of leaves, the lowest first. `index` is below `size`. */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  const ranges: LeafRange[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const middle = from + splitOf(to - from);
    if (index < middle) {
      ranges.push({ from: middle, to });
      to = middle;
    } else {
      ranges.push({ from, to: middle });
      from = middle;
    }
  }
  return ranges.reverse();
}

/** PROOF(first, D[second]) of section 2.1.4.1 as ranges of leaves; empty when one size is 0 or both are equal. */
export function consistencyRanges(first: number, second: number): LeafRange[] {
  if (first === 0 || first === second) return [];
  const ranges: LeafRange[] = [];
  let [from, to] = [0, second];
  let isWhole = true;
  while (first < to) {
    const middle = from + splitOf(to - from);
    if (first <= middle) {
      ranges.push({ from: middle, to });
      to = middle;
    } else {
      ranges.push({ from, to: middle });
      from = middle;
      isWhole = false;
    }
  }
  if (!isWhole) ranges.push({ from, to });
  return ranges.reverse();
}

/** The full subtrees that make up a range that begins where one over as many leaves may begin, from the left. */
export function subtreesOf({ from, to }: LeafRange): Subtree[] {
  const subtrees: Subtree[] = [];
  let at = from;
  while (at < to) {
    let width = 1;
    let level = 0;
    while (at % (width * 2) === 0 && at + width * 2 <= to) {
      width *= 2;
      level += 1;
    }
    subtrees.push({ level, position: at / width });
    at += width;
  }
  return subtrees;
}

/** Joins the hashes of the full subtrees of a range, from the left, into the hash of the range. */
export function foldSubtrees(hashes: readonly Hash[]): Hash {
  return hashes.length === 0 ? emptyRoot : hashes.reduceRight((right, left) => nodeHash(left, right));
}

/** Hash of a range of leaves that are in memory: MTH of section 2.1.1. */
export function rangeHash(leaves: readonly Hash[], { from, to }: LeafRange): Hash {
  if (to - from === 0) return emptyRoot;
  if (to - from === 1) return leaves[from]!;
  const middle = from + splitOf(to - from);
  return nodeHash(rangeHash(leaves, { from, to: middle }), rangeHash(leaves, { from: middle, to }));
}

export function rootOf(leaves: readonly Hash[]): Hash {
  return rangeHash(leaves, { from: 0, to: leaves.length });
}

/** The root that a leaf and its path lead to (section 2.1.3.2); null when the path does not fit the sizes. */
export function rootByInclusion(leaf: Hash, index: number, size: number, path: readonly Hash[]): Hash | null {
  if (!isCount(index) || !isCount(size) || index >= size) return null;
  let [node, last] = [index, size - 1];
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0) return null;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 ? hash : null;
}

/** Whether a tree of `second` leaves begins with the tree of `first` leaves (section 2.1.4.2). */
export function provesConsistency(first: { size: number; root: Hash }, second: { size: number; root: Hash }, path: readonly Hash[]): boolean {
  if (!isCount(first.size) || !isCount(second.size) || first.size > second.size) return false;
  if (first.size === second.size) return path.length === 0 && areEqual(first.root, second.root);
  if (first.size === 0) return path.length === 0 && areEqual(first.root, emptyRoot);
  // The first tree is a full subtree of the second: its root is where the path begins.
  const hashes = Number.isInteger(Math.log2(first.size)) ? [first.root, ...path] : [...path];
  const start = hashes.shift();
  if (!start) return false;
  let [node, last] = [first.size - 1, second.size - 1];
  while (node % 2 === 1) [node, last] = [half(node), half(last)];
  let [ofFirst, ofSecond] = [start, start];
  for (const hash of hashes) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      ofFirst = nodeHash(hash, ofFirst);
      ofSecond = nodeHash(hash, ofSecond);
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      ofSecond = nodeHash(ofSecond, hash);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && areEqual(ofFirst, first.root) && areEqual(ofSecond, second.root);
}

/** Sizes may be greater than 32 bits, so they are halved and not shifted. */
function half(value: number): number {
  return Math.floor(value / 2);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
