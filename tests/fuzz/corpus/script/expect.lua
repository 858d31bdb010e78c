pcall(jetgen.expect, false, 'so')
