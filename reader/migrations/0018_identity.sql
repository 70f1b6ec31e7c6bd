-- A registration is known by what the desk drew for it, not by its number alone: a desk that was set back to a copy gives
-- numbers again. '': of an older desk; the id of a message: an older desk told two people under the number, and nothing more is
-- taken for it.
ALTER TABLE clinic_registration ADD COLUMN identity text NOT NULL DEFAULT '';
