//! The integration tests of encke: everything that a client or an operator can see from outside.

// A toolbox shared by all modules below.
#[allow(dead_code, unused_imports, reason = "each module takes what it needs")]
mod harness;

// Requests that come again.
mod again;
mod again_logged;
// Clients that mean harm, machines that run out.
mod abuse;
// The same input for nginx and encke, and what each makes of it.
mod agreement;
// The program of the article that people set up comet servers from, unchanged.
mod article;
// A benchmark of the server within the server, and what is left of it.
mod benchmark;
// Windows of a browser: the chat of conf-examples, Nchan's own client.
mod browser;
// Many subscribers, and a publisher, for the tests of what happens to them.
mod crowd;
// Bodies of requests in files.
mod body_files;
// What kills Nchan's workers.
mod crashes;
// The documentation is whole.
mod docs;
// Every example configuration does what it says.
mod examples;
// Files and slow answers.
mod files;
// More messages than fit into the memory limit.
mod flood;
// Requests that other connections have made before.
mod known;
// Groups of channels, events, who is there.
mod groups;
// Locations that are told of subscribers and shown messages.
mod hooks;
// Logs that are buffered, compressed, rotated, full; pipes; syslog.
mod logs;
// Limits per client, and what is told about the server.
mod limits;
// Connections that leave hyper to wait, and come back.
mod parked;
// The command line, signals, reload.
mod process;
// Requests that are passed on to servers behind.
mod proxy;
// What a process takes of the memory.
mod pss;
// A reload under load.
mod reload;
// Requests as odd clients send them.
mod requests;
// What settings do in the system, and those that nginx 1.22 does not have.
mod settings;
// Subscribers of all transports, by the thousand, for a long time.
mod soak;
// Called as nginx, it is nginx to scripts.
mod stand_in;
// Who may import whom.
mod structure;
// Subscribers that are slower than the messages.
mod streams;
// What systemd gives and is told.
mod systemd;
// Recorded request sequences, and what the old servers answered to them.
mod transcripts;
// A new program takes over from a running one.
mod upgrade;
// WebSockets by the RFCs.
mod websocket;
// Variables of requests that wait, and those that would never end.
mod variables;
