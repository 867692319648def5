export { createLangchainProvider, type CallBack, type LangchainOptions, type LangchainProvider } from './provider.ts';
export { createOutsideService } from './outside-service.ts';
export { createOwnService, type OwnServiceOptions } from './own-service.ts';
export { innerOf, langchainId, withoutLangchain } from './options.ts';
export { serveLangchain } from './serving.ts';
export type { LangchainService, ServiceHealth } from './types.ts';
