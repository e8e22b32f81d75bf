-- A report adds up a run's labels in their order: without it, InnoDB sorts those of all chunks first.
create index feedback_chunk_label_counts on feedback_chunk_label (run_id, label, row_count);
