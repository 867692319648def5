export { ModelPicker, SpeakerNote } from './model-picker.tsx';
export { defaultChoice, modelsQuery, useModelName, useModels, useSpeaker, type Speaker } from './use-models.ts';
