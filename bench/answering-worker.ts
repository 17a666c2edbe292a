import { startAnsweringInstance } from './answering-instance.ts';
import { answerQuestions } from './worker.ts';

/** The answering instance of one tenant in a process of its own: what it does for one delays no other tenant. */

export interface AnsweringPlan {
  readonly certificate: { readonly certificatePem: string; readonly keyPem: string };
  /** The tenant's number (fleet.ts). */
  readonly tenant: number;
  /** Of every record; default: the time at which it is asked for. */
  readonly reportDate?: string | undefined;
  /** Every record has another version; default: one stays. */
  readonly isEverNew?: boolean | undefined;
}

export interface AnsweringFacts {
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

answerQuestions(async ({ certificate, tenant, ...records }: AnsweringPlan): Promise<AnsweringFacts> => {
  const { clientId, clientSecret, url } = await startAnsweringInstance(certificate, tenant, records);
  return { url, clientId, clientSecret };
});
