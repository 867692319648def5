export type * from './types.ts';
export { createChecks, type Checks } from './checking.ts';
export { createHandingOver, type Handover, type HandingOver, type HandingOverNeeds } from './handing-over.ts';
export { createLedger, type LedgerNeeds } from './ledger.ts';
export { canonicalJson, CanonicalError, FormError, readSealedTranscript, readTrustedKeys, readWitness, textOfFile, verifyTranscript, type Json, type JsonObject } from './verify/index.ts';
