# gnuplot map.gp: map.svg
set terminal svg size 1200,520 font 'sans,12'
set output 'map.svg'
set multiplot layout 1,2
set key outside right font ',9'
set size ratio -1
set title 'after blocks.0.attn'
set xlabel 'axis 1 (16.7 %)'
set ylabel 'axis 2 (9.6 %)'
plot 'map.dat' index 0 with points pointtype 1 title 'dense 64', 'map.dat' index 1 with points pointtype 2 title 'dense 128', 'map.dat' index 2 with points pointtype 3 title 'dense 256', 'map.dat' index 3 with points pointtype 4 title 'glu 64', 'map.dat' index 4 with points pointtype 5 title 'glu 128', 'map.dat' index 5 with points pointtype 6 title 'glu 256', 'map.dat' index 6 with points pointtype 7 title 'moe 64 1 learned', 'map.dat' index 7 with points pointtype 8 title 'moe 64 1 frozen', 'map.dat' index 8 with points pointtype 9 title 'moe 64 2 learned', 'map.dat' index 9 with points pointtype 10 title 'moe 64 2 frozen', 'map.dat' index 10 with points pointtype 11 title 'moe 128 1 learned', 'map.dat' index 11 with points pointtype 12 title 'moe 128 1 frozen', 'map.dat' index 12 with points pointtype 13 title 'moe 128 2 learned', 'map.dat' index 13 with points pointtype 1 title 'moe 128 2 frozen', 'map.dat' index 14 with points pointtype 2 title 'moe 256 1 learned', 'map.dat' index 15 with points pointtype 3 title 'moe 256 1 frozen', 'map.dat' index 16 with points pointtype 4 title 'moe 256 2 learned', 'map.dat' index 17 with points pointtype 5 title 'moe 256 2 frozen'
set title 'after blocks.0.ffn'
set xlabel 'axis 1 (15.2 %)'
set ylabel 'axis 2 (14.5 %)'
plot 'map.dat' index 18 with points pointtype 1 title 'dense 64', 'map.dat' index 19 with points pointtype 2 title 'dense 128', 'map.dat' index 20 with points pointtype 3 title 'dense 256', 'map.dat' index 21 with points pointtype 4 title 'glu 64', 'map.dat' index 22 with points pointtype 5 title 'glu 128', 'map.dat' index 23 with points pointtype 6 title 'glu 256', 'map.dat' index 24 with points pointtype 7 title 'moe 64 1 learned', 'map.dat' index 25 with points pointtype 8 title 'moe 64 1 frozen', 'map.dat' index 26 with points pointtype 9 title 'moe 64 2 learned', 'map.dat' index 27 with points pointtype 10 title 'moe 64 2 frozen', 'map.dat' index 28 with points pointtype 11 title 'moe 128 1 learned', 'map.dat' index 29 with points pointtype 12 title 'moe 128 1 frozen', 'map.dat' index 30 with points pointtype 13 title 'moe 128 2 learned', 'map.dat' index 31 with points pointtype 1 title 'moe 128 2 frozen', 'map.dat' index 32 with points pointtype 2 title 'moe 256 1 learned', 'map.dat' index 33 with points pointtype 3 title 'moe 256 1 frozen', 'map.dat' index 34 with points pointtype 4 title 'moe 256 2 learned', 'map.dat' index 35 with points pointtype 5 title 'moe 256 2 frozen'
unset multiplot
