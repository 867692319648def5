export { ProofView } from './proof-view.tsx';
