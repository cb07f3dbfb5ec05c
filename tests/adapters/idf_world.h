#pragma once

/// Live in the task that the component made.
void run_task();
/// Let the connection break off.
void lose_connection();
