export { saveChat } from './saving.ts';
export { TransferView } from './transfer-view.tsx';
