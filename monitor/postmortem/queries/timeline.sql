-- What happened, step by step?
SELECT at, what, detail FROM tocsin.timeline WHERE incident_id = :'incident' ORDER BY at;
