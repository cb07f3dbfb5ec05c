#pragma once

/// Whether somebody asked the program to end.
bool is_ended();
/// Listen for that.
void listen_for_end();
/// Keep a request for the end back until the next program listens for it.
void hold_end_back();
/// Do nothing for some seconds, or until the end is asked for; negative: only until then.
void rest(double seconds);
