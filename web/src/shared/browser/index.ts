export * from './clipboard.ts';
export * from './keys.ts';
export * from './storage.ts';
export * from './tabs.ts';
export * from './theme.ts';
export * from './use-media-query.ts';
export * from './use-draft.ts';
