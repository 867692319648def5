import { errorTable, ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../accounts/index.ts';
import { noModel } from '../conversations/index.ts';
import { langchainId, withoutLangchain, type BreakerState, type Target } from '../models/index.ts';
import { askKept, askUnkept } from './asking.ts';
import { toldApart } from './faults.ts';
import { gather } from './gathering.ts';
import type { LangchainParts } from './parts.ts';
import type { Langchain, LangchainAnswer, LangchainFeatures, LangchainGlance, LangchainHealth, LangchainMessage, LangchainTrial } from './types.ts';

/** The breaker of a service that is switched off. */
const noBreaker: BreakerState = { state: 'CLOSED', failures: 0, threshold: 5, openMs: 60_000, lastFailureAt: null };

/** The provider that the document means by "direct". */
const directProvider = 'openai';

/** The LangChain integration of the arketic document: production messages, its test, its status. */
export function createLangchain(parts: LangchainParts): Langchain {
  return new LangchainIntegration(parts);
}

class LangchainIntegration implements Langchain {
  readonly features: LangchainFeatures;
  private readonly parts: LangchainParts;

  constructor(parts: LangchainParts) {
    this.parts = parts;
    this.features = parts.features;
  }

  url(): string {
    return this.parts.provider?.service.address() ?? 'off';
  }

  glance(): LangchainGlance {
    const contact = this.parts.provider?.lastContact() ?? null;
    return { breaker: this.breaker(), status: contact === null ? 'unknown' : contact.ok ? 'healthy' : 'unhealthy' };
  }

  async health(viewer: Viewer): Promise<LangchainHealth> {
    const { provider, features } = this.parts;
    const probed = provider && features.healthChecks ? await provider.probe() : null;
    const direct = await this.directState(viewer);
    const status = probed ? (probed.ok ? 'healthy' : 'unhealthy') : 'unknown';
    const silence = provider ? 'Health checks are switched off (LANGCHAIN_HEALTH_CHECKS).' : 'The integration is switched off (LANGCHAIN_SERVICE_URL).';
    return {
      status,
      responseTimeMs: probed?.ok ? probed.responseTimeMs : null,
      error: probed ? (probed.ok ? null : probed.error) : silence,
      url: this.url(),
      breaker: this.breaker(),
      isActive: provider !== null,
      fallbackAvailable: direct !== 'disabled' && (await this.parts.models.mayAsk(directProvider, callerOf(viewer))),
      features,
    };
  }

  async directState(viewer: Viewer): Promise<'available' | 'unavailable' | 'disabled'> {
    const { models, features } = this.parts;
    if (!features.fallback) return 'disabled';
    const works = models.breaker(directProvider)?.failures === 0;
    return works && (await models.mayAsk(directProvider, callerOf(viewer))) ? 'available' : 'unavailable';
  }

  async ask(viewer: Viewer, conversationId: string, message: LangchainMessage, signal: AbortSignal) {
    const conversation = await this.parts.conversations.get(viewer, conversationId);
    if (message.content.trim() === '') throw new ParleyError('empty_message');
    if (conversation.model === noModel) throw new ParleyError('invalid_request', { message: 'No model answers in this chat: choose one first.' });
    try {
      const target = await this.readied(conversation.model, viewer);
      // Without streaming the text is all in the answer, whatever was asked for.
      const question = { viewer, conversation, message: { ...message, stream: message.stream && this.features.streaming }, target, glance: () => this.glance() };
      return await (message.save ? askKept(this.parts, question, signal) : askUnkept(this.parts, question, signal));
    } catch (thrown) {
      throw toldApart(thrown);
    }
  }

  async test(viewer: Viewer, trial: LangchainTrial, signal: AbortSignal) {
    const { clock } = this.parts;
    const began = clock.monotonic();
    const since = (): number => Math.round(clock.monotonic() - began);
    try {
      const target = await this.readied(trial.model, viewer);
      return { ...(await this.tried(viewer, target, trial, signal)), durationMs: since(), fallbackUsed: false, glance: this.glance() };
    } catch (thrown) {
      const error = toldApart(thrown);
      if (error.code !== 'provider_unavailable' || !this.features.fallback || signal.aborted) throw error;
    }
    const answer = await this.direct(viewer, trial, withoutLangchain(trial.model), signal);
    return { ...answer, durationMs: since(), fallbackUsed: true, glance: this.glance() };
  }

  testDirect(viewer: Viewer, trial: LangchainTrial, signal: AbortSignal): Promise<LangchainAnswer> {
    const { model } = trial;
    if (model.includes('/') && !model.startsWith(`${directProvider}/`)) {
      throw new ParleyError('invalid_request', { message: 'This test asks OpenAI itself: name one of its models, such as gpt-4o.', parameter: 'model' });
    }
    return this.direct(viewer, trial, model.includes('/') ? model : `${directProvider}/${model}`, signal);
  }

  /** Asks a model's own provider, and nobody in its place. */
  private async direct(viewer: Viewer, trial: LangchainTrial, name: string, signal: AbortSignal): Promise<LangchainAnswer> {
    try {
      const target = await this.parts.models.resolve(name, callerOf(viewer));
      if (target.isBuiltin) throw noLanguageModel();
      return await this.tried(viewer, { ...target, isExclusive: true }, trial, signal);
    } catch (thrown) {
      throw toldApart(thrown);
    }
  }

  private async tried(viewer: Viewer, target: Target, { message, systemPrompt, temperature }: LangchainTrial, signal: AbortSignal): Promise<LangchainAnswer> {
    const { conversations, models, clock } = this.parts;
    const messages = [...(systemPrompt === null ? [] : [{ role: 'system' as const, content: systemPrompt }]), { role: 'user' as const, content: message }];
    try {
      const { events } = await conversations.answerUnstored(viewer, { model: target.id, target, messages, temperature, dialect: 'arketic', whole: true }, signal);
      return await gather(clock, target, events);
    } finally {
      models.dismiss(target);
    }
  }

  /** The target behind the service, with leave of the breaker for one call, and the service there. While the breaker is open this takes no time. */
  private async readied(name: string | null, viewer: Viewer): Promise<Target> {
    const { models, provider } = this.parts;
    if (!provider) throw new ParleyError('provider_unavailable', { message: 'The LangChain integration is switched off on this server.' });
    const { state, lastFailureAt } = this.breaker();
    if (state === 'OPEN') throw new ParleyError('provider_unavailable', { message: 'LangChain service temporarily unavailable', retryAfterMs: this.waitMs(lastFailureAt) });
    const inner = await models.resolve(name === null ? null : withoutLangchain(name), callerOf(viewer));
    // The service is not out: whoever asks has to set a model up first, or name one.
    if (inner.isBuiltin) throw name === null ? new ParleyError('invalid_request', { message: errorTable.no_model.sentence }) : noLanguageModel();
    return models.ready(await models.resolve(`${langchainId}/${inner.id}`, callerOf(viewer)));
  }

  private waitMs(lastFailureAt: number | null): number {
    const { openMs } = this.breaker();
    return Math.max(openMs - (this.parts.clock.now() - (lastFailureAt ?? 0)), 0) || openMs;
  }

  private breaker(): BreakerState {
    return this.parts.models.breaker(langchainId) ?? noBreaker;
  }
}

function callerOf(viewer: Viewer) {
  return { userId: viewer.userId, role: viewer.role };
}

function noLanguageModel(): ParleyError {
  return new ParleyError('invalid_request', { message: 'The built-in responder is no language model and cannot be asked through LangChain. Choose another model.' });
}
