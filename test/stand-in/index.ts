export { startStandIn, type RecordedRequest, type RequestBody, type ScriptedAnswer, type StandIn, type StandInOptions } from './stand-in.ts';
export type { Endpoint, Fault, Script } from './script.ts';
export type { Form, FormName, ReadMessage, ReadRequest } from './form.ts';
export { pngSize, whitePng } from './png.ts';
