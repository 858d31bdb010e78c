jetgen.print('%s %d', jetgen.arg('name', ''), jetgen.arg('rate', 1))
local f = jetgen.arg('fast', false)
jetgen.expect(f == nil, 'so')
