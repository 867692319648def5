export { ProgramsView } from './programs-view.tsx';
