export { ModelPicker, SpeakerNote } from './model-picker.tsx';
export { defaultChoice, modelsQuery, speakerOf, useModelName, useModels, useSpeaker, type Speaker } from './use-models.ts';
