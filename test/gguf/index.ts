export { chatMlTemplate, writeTestModel, type TestModel, type TestModelOptions } from './test-model.ts';
export { writeGgufFile, type MetadataValue, type Tensor } from './gguf-file.ts';
export type { TensorType } from './quantise.ts';
export type { Tokenizer } from './tokenizer.ts';
