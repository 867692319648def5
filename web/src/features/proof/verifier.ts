/*
 * What checks transcripts is the server's own code (`parley verify` runs it as well), which needs nothing but the file and
 * the keys: nothing is asked of anybody while it runs.
 */
export {
  canVerifyHere, FormError, readSealedTranscript, readTrustedKeys, readWitness, textOfFile, verifyTranscript,
  type SealedTranscript, type TrustedKeys, type Verdict, type Verification, type Witness,
} from '../../../../src/features/ledger/verify/index.ts';
