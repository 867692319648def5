import { parentPort, workerData } from 'node:worker_threads';
import type { CheckAnswer, CheckRequest } from './checking.ts';
import { FormError, readWitness, verifyTranscript } from './verify/index.ts';

/** The thread that checks one file. */
const { file, trusted, witness, against, session } = workerData as CheckRequest;

async function answer(): Promise<CheckAnswer> {
  let parameter: 'witness' | 'against' = 'witness';
  try {
    const noted = witness === undefined ? {} : { witness: readWitness(witness) };
    parameter = 'against';
    return { verification: await verifyTranscript(file, trusted, { ...(session === undefined ? {} : { session }), ...(against === undefined ? {} : { against }), ...noted }) };
  } catch (error) {
    if (error instanceof FormError) return { wrongForm: error.message, parameter };
    throw error;
  }
}

parentPort!.postMessage(await answer());
