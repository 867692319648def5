export { AgentsView } from './agents-view.tsx';
export { SessionView } from './session-view.tsx';
