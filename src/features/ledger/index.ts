export type * from './types.ts';
export { canonicalJson, CanonicalError, type Json, type JsonObject } from './canonical-json.ts';
export { createLedger, type LedgerNeeds } from './ledger.ts';
export { FormError, readSealedTranscript, readTrustedKeys, readWitness } from './reading.ts';
export { verifyTranscript } from './verification.ts';
