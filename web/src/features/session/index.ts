export { SignInForm } from './sign-in-form.tsx';
export { SignUpForm } from './sign-up-form.tsx';
export { UserMenu, type UserPage } from './user-menu.tsx';
export { forgetAfterSignOut, sessionQuery, useSession, useUser } from './use-session.ts';
