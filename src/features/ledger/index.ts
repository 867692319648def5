export type * from './types.ts';
export { createLedger, type LedgerNeeds } from './ledger.ts';
export { canonicalJson, CanonicalError, FormError, readSealedTranscript, readTrustedKeys, readWitness, verifyTranscript, type Json, type JsonObject } from './verify/index.ts';
