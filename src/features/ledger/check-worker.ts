import { parentPort, workerData } from 'node:worker_threads';
import type { CheckAnswer, CheckRequest } from './checking.ts';
import { FormError, readWitness, verifyTranscript } from './verify/index.ts';

/** The thread that checks one file. */
const { file, trusted, witness, against, session } = workerData as CheckRequest;

async function answer(): Promise<CheckAnswer> {
  try {
    return {
      verification: await verifyTranscript(file, trusted, {
        ...(session === undefined ? {} : { session }), ...(against === undefined ? {} : { against }), ...(witness === undefined ? {} : { witness: readWitness(witness) }),
      }),
    };
  } catch (error) {
    if (error instanceof FormError) return { wrongForm: error.message };
    throw error;
  }
}

parentPort!.postMessage(await answer());
