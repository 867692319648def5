export { GroupsView } from './groups-view.tsx';
export { NewGroupDialog } from './new-group-dialog.tsx';
export { PeopleDialog } from './people-dialog.tsx';
export { usePeople } from './use-people.ts';
