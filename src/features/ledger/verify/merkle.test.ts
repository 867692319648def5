import { describe, expect, it, test } from 'vitest';
import { hexOf, joined } from './bytes.ts';
import { emptyRoot, leafHash, nodeHash, type Hash } from './hashes.ts';
import { consistencyRanges, foldSubtrees, inclusionRanges, provesConsistency, rangeHash, rootByInclusion, rootOf, subtreesOf } from './merkle.ts';

/** The leaves and roots that implementations of Certificate Transparency are tried with. */
const knownLeaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map((bytes) => leafHash(Buffer.from(bytes, 'hex')));
const knownRoots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

const leavesOf = (count: number): Hash[] => Array.from({ length: count }, (_, index) => leafHash(`leaf ${index}`));
const sizes = Array.from({ length: 34 }, (_, size) => size);

describe('The root of a tree', () => {
  test.each(knownRoots.map((root, size) => [size, root] as const))('over the first %i known leaves is the known one', (size, root) => {
    expect(hexOf(rootOf(knownLeaves.slice(0, size)))).toBe(root);
  });

  it('keeps leaves and nodes apart: a node passed off as a leaf has another hash', () => {
    const [left, right] = leavesOf(2) as [Hash, Hash];
    expect(leafHash(joined(left, right))).not.toEqual(nodeHash(left, right));
  });

  it('is the same from full subtrees, as a log keeps them', () => {
    for (const size of sizes) {
      const leaves = leavesOf(size);
      const hashes = subtreesOf({ from: 0, to: size }).map(({ level, position }) => rangeHash(leaves, { from: position * 2 ** level, to: (position + 1) * 2 ** level }));
      expect(foldSubtrees(hashes)).toEqual(rootOf(leaves));
    }
  });
});

describe('A proof that a leaf is in a tree', () => {
  const pathOf = (leaves: Hash[], index: number): Hash[] => inclusionRanges(index, leaves.length).map((range) => rangeHash(leaves, range));

  it('leads every leaf of every tree to its root', () => {
    for (const size of sizes) {
      const leaves = leavesOf(size);
      for (let index = 0; index < size; index += 1) expect(rootByInclusion(leaves[index]!, index, size, pathOf(leaves, index))).toEqual(rootOf(leaves));
    }
  });

  it('is made of ranges that are kept as full subtrees, or fold from them', () => {
    const leaves = leavesOf(29);
    for (let index = 0; index < 29; index += 1) {
      for (const range of inclusionRanges(index, 29)) {
        const hashes = subtreesOf(range).map(({ level, position }) => rangeHash(leaves, { from: position * 2 ** level, to: (position + 1) * 2 ** level }));
        expect(foldSubtrees(hashes)).toEqual(rangeHash(leaves, range));
      }
    }
  });

  it('fails for another leaf, another place, another size, a longer or a shorter path', () => {
    for (const size of [1, 2, 3, 7, 8, 21]) {
      const leaves = leavesOf(size);
      const root = rootOf(leaves);
      for (let index = 0; index < size; index += 1) {
        const path = pathOf(leaves, index);
        const leads = (leaf: Hash, at: number, of: number, by: Hash[]): boolean => hexOf(rootByInclusion(leaf, at, of, by) ?? new Uint8Array()) === hexOf(root);
        expect(leads(leafHash('another'), index, size, path)).toBe(false);
        for (let other = 0; other < size; other += 1) if (other !== index) expect(leads(leaves[index]!, other, size, path)).toBe(false);
        expect(leads(leaves[index]!, index, size, [...path, root])).toBe(false);
        if (path.length > 0) expect(leads(leaves[index]!, index, size, path.slice(1))).toBe(false);
        expect(rootByInclusion(leaves[index]!, size, size, path)).toBeNull();
        expect(rootByInclusion(leaves[index]!, -1, size, path)).toBeNull();
        expect(rootByInclusion(leaves[index]!, 0.5, size, path)).toBeNull();
      }
    }
  });
});

describe('A proof that one tree begins with another', () => {
  const proofOf = (leaves: Hash[], first: number): Hash[] => consistencyRanges(first, leaves.length).map((range) => rangeHash(leaves, range));
  const headOf = (leaves: Hash[]) => ({ size: leaves.length, root: rootOf(leaves) });

  it('holds for every earlier tree of every tree', () => {
    for (const size of sizes) {
      const leaves = leavesOf(size);
      for (let first = 0; first <= size; first += 1) expect(provesConsistency(headOf(leaves.slice(0, first)), headOf(leaves), proofOf(leaves, first)), `${first} of ${size}`).toBe(true);
    }
  });

  it('fails for a tree in which an earlier leaf was changed', () => {
    for (const size of [2, 3, 8, 13]) {
      const leaves = leavesOf(size);
      for (let first = 1; first <= size; first += 1) {
        const changed = leaves.slice(0, first);
        changed[first - 1] = leafHash('forged');
        expect(provesConsistency(headOf(changed), headOf(leaves), proofOf(leaves, first))).toBe(false);
        expect(provesConsistency({ size: first, root: emptyRoot }, headOf(leaves), proofOf(leaves, first))).toBe(false);
      }
    }
  });

  it('fails with a path that is too long or too short, and for a tree that shrank', () => {
    const leaves = leavesOf(13);
    for (let first = 1; first < 13; first += 1) {
      const proof = proofOf(leaves, first);
      const earlier = headOf(leaves.slice(0, first));
      expect(provesConsistency(earlier, headOf(leaves), [...proof, earlier.root])).toBe(false);
      expect(provesConsistency(earlier, headOf(leaves), proof.slice(1))).toBe(false);
      expect(provesConsistency(headOf(leaves), earlier, proof)).toBe(false);
    }
  });
});
