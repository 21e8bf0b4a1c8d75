//! Queries compiled to SQL for both dialects.
