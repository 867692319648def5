/*
 * Checks transcripts. The page runs the same code without any server, so nothing in this folder needs Node, a package, or
 * anything outside of it.
 */
export type * from './types.ts';
export { bytesOfHex, hexOf, textOfFile } from './bytes.ts';
export { canonicalJson, CanonicalError, type Json, type JsonObject } from './canonical-json.ts';
export { chainOf, digestOf, entriesOf, leafOf, mostCharacters, mostMessages, unsignedHead, type TranscriptRecord } from './chain.ts';
export { clockSkewMs } from './clock-check.ts';
export { nodeHash, type Hash } from './hashes.ts';
export { consistencyRanges, foldSubtrees, inclusionRanges, rootByInclusion, subtreesOf, type LeafRange, type Subtree } from './merkle.ts';
export { FormError, readSealedTranscript, readTrustedKeys, readWitness } from './reading.ts';
export { canVerifyHere, isSigned, keyIdOf, signedBytes, type Purpose } from './signature.ts';
export { verifyTranscript } from './verification.ts';
