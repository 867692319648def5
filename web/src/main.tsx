import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { connectQueries, queries } from './app/queries.ts';
import { router } from './app/router.tsx';
import { watchTheme } from './shared/browser/index.ts';
import { preloadMarkdown } from './shared/markdown/index.ts';
import './styles.css';

watchTheme();
connectQueries();
preloadMarkdown();

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
