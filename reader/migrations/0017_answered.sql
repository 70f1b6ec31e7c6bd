-- Answers to calls are told to the clinic's other desks (clinic_down 'answered'): those of before, too.
INSERT INTO clinic_aside (event_seq, tries, next_at_us) SELECT seq, 0, 0 FROM read_events WHERE event = 'answered'
ON CONFLICT DO NOTHING;
