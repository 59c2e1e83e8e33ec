//! A provider that needs no account.
